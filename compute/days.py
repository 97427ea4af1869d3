"""The view that rules and detectors share: daily figures of a run's points beside what is known of the points.

Arrays are (p, d) unless they say otherwise; energy in kWh, volume in m3, NaN where nothing is known. This file knows
no rule.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compute.kernels.compiled import Bool, Float32, Float64, Int8, Int16, Int32, Int64

ACTIVE, SUSPENDED, VACANT, CLOSED, ABSENT = 0, 1, 2, 3, 4
# What a device says of itself, bits of `Days.device`.
SENSOR, FLOW, BATTERY, OTHER = 1, 2, 4, 8
STATES = ("active", "suspended", "vacant", "closed", "absent")


@dataclass(frozen=True, slots=True)
class Points:
    """What the registry knows of the points of a run, (p,) each; NaN or -1 where unknown.

    `energy_step_kwh`, `volume_step_m3`: one count of the display; `building`, `gateway`, `area`: small numbers;
    `parent`: position of the parent point in the run; `cadence_us`: scheduled distance of readings, 0 where unknown.
    """

    energy_step_kwh: Float64
    volume_step_m3: Float64
    qp_m3h: Float64
    qs_m3h: Float64
    design_load_kw: Float64
    heated_area_m2: Float64
    supply_mounted: Bool
    area: Int64
    building: Int64
    gateway: Int64
    parent: Int64
    cadence_us: Int64

    def __len__(self) -> int:
        return len(self.area)


def unknown_points(count: int) -> Points:
    """Points of which the registry knows nothing but their number."""
    numbers: dict[str, Any] = {name: np.full(count, -1, np.int64) for name in ("building", "gateway", "parent")}
    sizes: dict[str, Any] = {
        name: np.full(count, np.nan) for name in ("qp_m3h", "qs_m3h", "design_load_kw", "heated_area_m2")
    }
    return Points(
        energy_step_kwh=np.zeros(count),
        volume_step_m3=np.zeros(count),
        supply_mounted=np.zeros(count, np.bool_),
        area=np.zeros(count, np.int64),
        cadence_us=np.zeros(count, np.int64),
        **numbers,
        **sizes,
    )


def select_points(points: Points, positions: Int64) -> Points:
    """Some of the points. `positions`: (q,) int64; a parent that is not among them is unknown (-1)."""
    place = np.full(len(points) + 1, -1, np.int64)
    place[positions] = np.arange(len(positions))
    own: dict[str, Any] = {item.name: getattr(points, item.name)[positions] for item in dataclasses.fields(Points)}
    own["parent"] = place[own["parent"]]
    return Points(**own)


@dataclass(frozen=True, slots=True)
class Days:
    """Daily figures of p points over d local days.

    `bounds`: (d+1,) int64 microseconds; `complete`: every hour of the day is covered by readings; `usable`: complete
    and nothing failed or was estimated. `zero_run_h`: known hours since the last use at the end of the day.
    `highest_kwh`,
    `third_kwh`, `window_kwh`: highest and third-highest hour, highest six hours in a row; `lowest_m3`,
    `highest_m3`: lowest and highest hour's volume; `off_grid`: readings at an odd distance.
    `supply_c` to `idle_h`: see `compute.kernels.heat.HeatFigures`. `operating_h`: advance of the operating hours;
    `difference_m3k`: volume times temperature difference where the meter counts it (E8 − E9); `device`: what the device
    itself reported, `SENSOR`, `FLOW`, `BATTERY`, `OTHER` bits; `clock_s`: the meter's clock minus the time;
    `rejected`: answers that could not be read or were another meter's. `hdd_k`: degree days of the area, NaN
    without weather; `load`: what stands in for them, the area's median use; `in_season`: the network heats.
    `expected_kwh`, `sigma_kwh`: the signature's expectation and its robust spread, NaN where the point has none yet.
    `common`: median of
    use over expectation in the area, what weather and network explain; `drop_k`: temperature drop from energy over
    volume, `area_drop_k` its median in the area, `usual_drop` what their ratio was in the weeks before. `last_us`:
    (p,) instant of the last reading, 0 where there is none.
    """

    bounds: Int64
    now_us: int
    points: Points
    state: Int8
    energy_kwh: Float64
    volume_m3: Float64
    energy_bits: Int32
    volume_bits: Int32
    known_h: Int16
    complete: Bool
    usable: Bool
    zero_run_h: Float32
    highest_kwh: Float32
    third_kwh: Float32
    window_kwh: Float32
    lowest_m3: Float32
    highest_m3: Float32
    off_grid: Int32
    shaped_h: Int16
    supply_c: Float32
    return_c: Float32
    measured_kwh: Float32
    balance_kwh: Float32
    other_kwh: Float32
    reversed_h: Float32
    broken_h: Float32
    static_h: Float32
    idle_h: Float32
    operating_h: Float64
    difference_m3k: Float64
    device: Int32
    clock_s: Float32
    rejected: Int32
    hdd_k: Float64
    load_kwh: Float64
    peer_kwh: Float64
    in_season: Bool
    last_us: Int64
    expected_kwh: Float64
    sigma_kwh: Float64
    common: Float64
    drop_k: Float64
    area_drop_k: Float64
    usual_drop: Float64

    def select(self, positions: Int64) -> "Days":
        """The same view of some points. `positions`: (q,) int64. Parents outside the selection are unknown (-1)."""
        rows: dict[str, Any] = {}
        for item in dataclasses.fields(Days):
            value: NDArray[Any] | Points = getattr(self, item.name)
            if item.name in ("bounds", "now_us"):
                rows[item.name] = value
            elif isinstance(value, Points):
                rows[item.name] = select_points(self.points, positions)
            else:
                rows[item.name] = value[positions]
        return Days(**rows)

    @property
    def active(self) -> Bool:
        """Days on which the point takes part in heating."""
        result: Bool = self.state == ACTIVE
        return result
