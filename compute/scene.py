"""What goes into a run and what its first stage hands to the second: plain containers of arrays."""

from dataclasses import dataclass

from compute.consumption import Intervals
from compute.days import Points
from compute.kernels.compiled import Bool, Float32, Float64, Int8, Int64
from compute.kernels.daily import DayFigures
from compute.series import Grid, IndexSeries, SampleSeries


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known beside readings: the grid of h hours and d days, p points, `state` (p, d), and the weather.

    `outdoor_c`: (a, h) float32 hourly outside temperature of each area, NaN where unknown.
    """

    grid: Grid
    points: Points
    state: Int8
    outdoor_c: Float32


@dataclass(frozen=True, slots=True)
class Inputs:
    """Readings of p points on one grid; `cadence_us`: (p,) scheduled distance of readings, 0 where unknown."""

    grid: Grid
    cadence_us: Int64
    energy: IndexSeries
    volume: IndexSeries
    supply_c: SampleSeries
    return_c: SampleSeries
    flow_m3h: SampleSeries
    operating_s: IndexSeries
    supply_volume: IndexSeries
    return_volume: IndexSeries


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

    `last_us`: (p,) instant of each point's last reading, 0 where there is none.
    """

    rows: Int64
    grid: Grid
    energy: Intervals
    volume: Intervals
    energy_days: DayFigures
    volume_days: DayFigures
    last_us: Int64
