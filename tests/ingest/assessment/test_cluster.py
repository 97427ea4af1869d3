"""On a cluster of two worker processes the first stage gives the same bits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from compute import engine
from compute.days import unknown_points
from compute.scene import Inputs
from compute.series import grid, index_series, no_index, no_samples
from ingest.assessment import cluster as assessment_cluster
from ingest.assessment.cluster import Cluster
from ingest.errors import UnavailableError

HOUR = 3_600_000_000
START = 1_767_571_200_000_000


@pytest.fixture
def address() -> Iterator[str]:
    """A scheduler with two local worker processes."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        yield str(cluster.scheduler_address)


def _inputs(points: int, days: int) -> Inputs:
    whole = grid(START + HOUR * np.arange(24 * days + 1), START + 24 * HOUR * np.arange(days + 1))
    rng = np.random.default_rng(7)
    counts = np.cumsum(rng.integers(0, 90, (points, 24 * days + 1)), axis=1)
    keep = rng.random(counts.shape) > 0.1
    times = np.broadcast_to(whole.hours, counts.shape)
    offsets = np.concatenate(([0], np.cumsum(keep.sum(axis=1))))
    energy = index_series(times[keep], counts[keep], offsets, numerator=36_000)
    nothing, silent = no_index(points), no_samples(points)
    weather = np.full((1, 24 * days), np.nan, np.float32)
    return Inputs(
        whole, unknown_points(points), weather, energy, nothing, silent, silent, silent, nothing, nothing, nothing
    )


@pytest.mark.filterwarnings("default")
def test_a_cluster_gives_the_same_bits(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assessment_cluster, "PARTITION_POINTS", 7)
    inputs = _inputs(30, 20)
    here = engine.hourly(inputs)
    with Cluster(address) as cluster:
        there = cluster.hourly(inputs, np.arange(30))
    _same(here, there)


def _same(here: Any, there: Any) -> None:
    for name in ("energy", "volume", "energy_days", "volume_days", "heat"):
        for one, other in zip(getattr(here, name), getattr(there, name), strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(here.last_us, there.last_us)


@pytest.mark.filterwarnings("default")
def test_a_cluster_that_does_not_answer_is_named() -> None:
    with pytest.raises(UnavailableError, match="no Dask scheduler answers"):
        Cluster("tcp://127.0.0.1:9", timeout_s=0.5)
