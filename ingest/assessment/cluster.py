"""The first stage on a Dask cluster: partitions of points go out, their consumption comes back, bit for bit the same.

Rules: workers see arrays only, no database; the partition does not change a result, because the first stage knows one
point at a time.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from compute import engine
from compute.consumption import Intervals
from compute.kernels.compiled import Int64
from compute.kernels.daily import DayFigures
from compute.kernels.heat import HeatFigures
from compute.scene import Hourly, Inputs
from ingest.errors import UnavailableError

# Points of one task: enough work to be worth the way there.
PARTITION_POINTS = 128


class Cluster:
    """A connection to a Dask scheduler; `with` closes it.

    Raises
    ------
    UnavailableError
        Nobody answers at `address`.
    """

    def __init__(self, address: str, *, timeout_s: float = 10.0) -> None:
        from distributed import Client

        try:
            self._client: Any = Client(address, timeout=timeout_s, set_as_default=False)  # type: ignore[no-untyped-call]
        except (OSError, TimeoutError) as error:
            raise UnavailableError(f"no Dask scheduler answers at {address}") from error

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def hourly(self, inputs: Inputs, rows: Int64) -> Hourly:
        """`compute.engine.hourly` by partitions of points."""
        count = inputs.energy.points
        cuts = [(start, min(count, start + PARTITION_POINTS)) for start in range(0, count, PARTITION_POINTS)]
        tasks = [self._client.submit(_stage, inputs.select(*cut), pure=False) for cut in cuts]
        return joined(self._client.gather(tasks), rows)


def _stage(inputs: Inputs) -> Hourly:
    """What a worker does."""
    return engine.hourly(inputs, threads=1)


def joined(parts: list[Hourly], rows: Int64) -> Hourly:
    """Parts in the order of their points as one result. `rows`: (p,) positions of the points in the scene."""
    if len(parts) == 1:
        return replace(parts[0], rows=rows)
    first = parts[0]
    return Hourly(
        rows=rows,
        grid=first.grid,
        energy=Intervals(*_columns([part.energy for part in parts])),
        volume=Intervals(*_columns([part.volume for part in parts])),
        energy_days=DayFigures(*_columns([part.energy_days for part in parts])),
        volume_days=DayFigures(*_columns([part.volume_days for part in parts])),
        heat=HeatFigures(*_columns([part.heat for part in parts])),
        operating_s=np.concatenate([part.operating_s for part in parts]),
        difference=np.concatenate([part.difference for part in parts]),
        device=_optional([part.device for part in parts]),
        clock_s=_optional([part.clock_s for part in parts]),
        rejected=_optional([part.rejected for part in parts]),
        off_grid=np.concatenate([part.off_grid for part in parts]),
        last_us=np.concatenate([part.last_us for part in parts]),
    )


def _columns(parts: list[Any]) -> list[Any]:
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _optional(parts: list[Any]) -> Any:
    return None if parts[0] is None else np.concatenate(parts)
