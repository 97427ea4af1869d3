"""What the parts of the evidence picture share: its data, its grids, its colours, and how a line is drawn.

Rules: options are plain dictionaries made from columns; no database, no page. A series has an `id`, so that a zoom can
replace its data alone. At most `MOST` points a series leave the server.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from api.console.charts import kept, pairs
from api.console.texts import Texts
from compute.quality import Quality
from ingest.store.evidence import Series

ESTIMATED: Final = int(Quality.ESTIMATED | Quality.INTERPOLATED)
MOST: Final = 700
# A series that only carries another one: in no legend.
HIDDEN: Final = " "
USE_GRID, INDEX_GRID, HEAT_GRID, FLAG_GRID = range(4)
# Top and height of each grid in pixels, as `console.css` sizes the chart; the phone's legends take two lines.
GRIDS: Final = ((64, 216), (346, 120), (532, 128), (704, 36))


@dataclass(frozen=True, slots=True)
class Mark:
    """A span to shade: the alert under review."""

    start: datetime
    end: datetime
    name: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a rule expected per interval of a span, in kWh per day."""

    start: datetime
    end: datetime
    low_kwh_per_day: float
    high_kwh_per_day: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Columns of everything that is drawn over [start, end); `interval` is the length of one consumption interval.

    By the day, in kWh per day: `neighbours`, what the neighbours used; `usual`, what the weather lets one expect here.
    """

    start: datetime
    end: datetime
    interval: timedelta
    consumption: Mapping[str, Sequence[Any]]
    indexes: Sequence[Series]
    momentary: Sequence[Series]
    outside: Series
    neighbours: Mapping[str, Sequence[Any]] | None = None
    usual: Mapping[str, Sequence[Any]] | None = None
    spans: Sequence[Mapping[str, Any]] = ()
    marks: Sequence[Mark] = ()
    expected: Sequence[Expected] = field(default=())


def line(texts: Texts, name: str, series: Series, color: str, grid: int, y: int, **more: Any) -> dict[str, Any]:
    """A line series on a grid and the value axis `y`, thinned to what a screen shows."""
    positions = kept(series.values, MOST)
    times, values = [series.times[at] for at in positions], [series.values[at] for at in positions]
    return {
        "type": "line",
        "id": f"{grid}:{name}",
        "name": name,
        "data": pairs(texts, times, values),
        "xAxisIndex": grid,
        "yAxisIndex": y,
        "showSymbol": len(times) < 40,
        "symbolSize": 4,
        "lineStyle": {"width": 1.5},
        "color": color,
        **more,
    }
