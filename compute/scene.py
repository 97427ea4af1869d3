"""What goes into a run and what its first stage hands to the second: plain containers of arrays."""

from dataclasses import dataclass, replace

import numpy as np

from compute.consumption import Intervals
from compute.days import Points, select_points
from compute.first_stage import FirstStage
from compute.kernels.compiled import Bool, Float32, Float64, Int8, Int32, Int64
from compute.kernels.daily import DayFigures
from compute.kernels.heat import HeatFigures
from compute.series import Grid, IndexSeries, SampleSeries


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known beside readings: the grid of h hours and d days, p points, `state` (p, d), and the weather.

    `outdoor_c`: (a, h) float32 hourly outside temperature of each area, NaN where unknown. `now_us`: the present,
    epoch microseconds.
    """

    grid: Grid
    points: Points
    state: Int8
    outdoor_c: Float32
    now_us: int


@dataclass(frozen=True, slots=True)
class Inputs:
    """Readings of p points on one grid, with what is known of them; `outdoor_c`: (a, h) as in `Scene`, on this grid.

    `device`, `clock_s`: (p, d) what the meters said of themselves, None where nobody asked. `stages`: thresholds of the
    first stage by rule set, `stage_of`: (p,) which of them is each point's; the catalogue's where None.
    """

    grid: Grid
    points: Points
    outdoor_c: Float32
    energy: IndexSeries
    volume: IndexSeries
    supply_c: SampleSeries
    return_c: SampleSeries
    flow_m3h: SampleSeries
    operating_s: IndexSeries
    supply_volume: IndexSeries
    return_volume: IndexSeries
    device: Int32 | None = None
    clock_s: Float32 | None = None
    rejected: Int32 | None = None
    stages: tuple[FirstStage, ...] = (FirstStage(),)
    stage_of: Int64 | None = None

    def under(self, stages: tuple[FirstStage, ...], stage_of: Int64) -> "Inputs":
        """The same readings under the first-stage thresholds of each point's rule set. `stage_of`: (p,) positions."""
        share = np.array([stage.rate_share for stage in stages], np.float64)[stage_of]
        energy = self.energy
        each = np.repeat(share, np.diff(energy.point_offsets))
        return replace(self, energy=replace(energy, rate=energy.rate * each), stages=stages, stage_of=stage_of)

    def select(self, start: int, stop: int) -> "Inputs":
        """The inputs of points `start` to `stop`, without copying readings: a partition."""
        own = slice(start, stop)
        return Inputs(
            self.grid,
            select_points(self.points, np.arange(start, stop)),
            self.outdoor_c,
            self.energy.select(start, stop),
            self.volume.select(start, stop),
            self.supply_c.select(start, stop),
            self.return_c.select(start, stop),
            self.flow_m3h.select(start, stop),
            self.operating_s.select(start, stop),
            self.supply_volume.select(start, stop),
            self.return_volume.select(start, stop),
            None if self.device is None else self.device[own],
            None if self.clock_s is None else self.clock_s[own],
            None if self.rejected is None else self.rejected[own],
            self.stages,
            None if self.stage_of is None else self.stage_of[own],
        )


@dataclass(frozen=True, slots=True)
class History:
    """Days whose consumption is known already, of all p points and all d days of the view: fresh figures are laid
    over it.

    `bounds`: (d+1,) midnights that end with the grid's; `energy_kwh`, `volume_m3`, `usable`: (p, d); `outdoor_c`:
    (a, d).
    `last_us`: (p,) instant up to which each point is known, 0 where never.
    """

    energy_kwh: Float64
    volume_m3: Float64
    usable: Bool
    last_us: Int64


@dataclass(frozen=True, slots=True)
class Hourly:
    """Result of the first stage for p points; `rows`: (p,) their positions in the scene, `grid`: their own hours and
    days.

    `operating_s`, `difference`: (p, d) advance of the operating time in seconds and of E8 − E9 in 1e-6 m3·K. `device`,
    `clock_s`: (p, d) as in `compute.days.Days`. `off_grid`: (p, d) readings at an odd
    distance. `last_us`: (p,) instant of each point's last reading, 0 where there
    is none.
    """

    rows: Int64
    grid: Grid
    energy: Intervals
    volume: Intervals
    energy_days: DayFigures
    volume_days: DayFigures
    heat: HeatFigures
    operating_s: Float64
    difference: Float64
    device: Int32 | None
    clock_s: Float32 | None
    rejected: Int32 | None
    off_grid: Int32
    last_us: Int64
