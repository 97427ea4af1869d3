"""The base of every chart: axes, times in the reader's zone, thinning. Plain dictionaries; no database, no page.

Colours are told apart by lightness as well as hue; every axis names its unit.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np

from api.console.texts import Texts

USE = "#0b7285"
# A canvas inherits no font: the same families as `console.css`.
TEXT_STYLE = {
    "fontFamily": '"Inter", "Segoe UI", "Noto Sans", "Noto Sans SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif',
    "color": "#3b4955",
}


def milliseconds(texts: Texts, instant: datetime) -> int:
    """An instant as the chart draws it: ECharts knows the browser's zone and UTC only, so the reader's clock time is
    drawn as if it were UTC."""
    local = instant.astimezone(texts.zone)
    return int(local.replace(tzinfo=UTC).timestamp() * 1000)


def instant_of(texts: Texts, shown_ms: float) -> datetime:
    """The instant behind a position on a chart's time axis."""
    return datetime.fromtimestamp(shown_ms / 1000, UTC).replace(tzinfo=texts.zone).astimezone(UTC)


def pairs(texts: Texts, times: Sequence[datetime], values: Sequence[float | None]) -> list[list[Any]]:
    """Points of a line: [milliseconds, value rounded to what a screen shows]."""
    return [
        [milliseconds(texts, time), None if value is None else round(float(value), 3)]
        for time, value in zip(times, values, strict=True)
    ]


def kept(values: Sequence[float | None], most: int) -> list[int]:
    """Positions that draw the same picture with at most about `most` points: the lowest and highest of each bucket.

    Gaps (None) at a bucket's edge stay gaps: a bucket without values keeps one of its own.
    """
    count = len(values)
    if count <= most:
        return list(range(count))
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    edges = np.linspace(0, count, max(1, most // 2) + 1).astype(int)
    chosen: set[int] = {0, count - 1}
    for begin, end in pairwise(edges):
        part = numbers[begin:end]
        if np.isnan(part).all():
            chosen.add(int(begin))
            continue
        chosen.update((int(begin + np.nanargmin(part)), int(begin + np.nanargmax(part))))
    return sorted(chosen)


def axis(name: str, side: str = "left", **more: Any) -> dict[str, Any]:
    """A value axis that names its unit."""
    return {"type": "value", "name": name, "position": side, "nameTextStyle": TEXT_STYLE, "scale": True, **more}


def rate_chart(texts: Texts, hours: Sequence[tuple[datetime, float]]) -> dict[str, Any]:
    """Share of meters heard, hour by hour."""
    return {
        "textStyle": TEXT_STYLE,
        "animation": False,
        "useUTC": True,
        "grid": {"left": 48, "right": 16, "top": 16, "bottom": 30},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {"type": "time", "axisLabel": {"hideOverlap": True}},
        "yAxis": {"type": "value", "min": 0, "max": 100, "axisLabel": {"formatter": "{value} %"}},
        "aria": {"enabled": True},
        "series": [
            {
                "type": "line",
                "name": texts("meters read"),
                "data": [[milliseconds(texts, hour), round(share * 100, 1)] for hour, share in hours],
                "areaStyle": {"opacity": 0.15},
                "showSymbol": False,
                "color": USE,
            }
        ],
    }
