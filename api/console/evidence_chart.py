"""The evidence of a point in one picture: consumption, index, temperatures and flow, and what was flagged, over one
time axis with one zoom.

Rules: options are plain dictionaries made from columns; no database, no page. A series has an `id`, so that a zoom can
replace its data alone. At most `MOST` points a series leave the server.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from api.console.charts import TEXT_STYLE, USE, axis, kept, milliseconds, pairs
from api.console.code_words import device_text
from api.console.names import flag_text_list
from api.console.texts import Texts
from api.console.words import series_text
from compute.quality import Quality
from ingest.store.evidence import Series

ESTIMATED: Final = int(Quality.ESTIMATED | Quality.INTERPOLATED)
MOST: Final = 700
INDEX, ESTIMATE, SUPPLY, RETURN, OUTSIDE, BAND, FLOW, RAW = (
    "#12354d", "#e8a33d", "#b93a0e", "#2b6cb0", "#5b6b79", "#9fb8c8", "#6b4fa0", "#17212b",
)  # fmt: skip
_COLORS: Final = {"supply": SUPPLY, "return": RETURN, "flow": FLOW, "power": "#1c7248", "temperature": "#8a5800"}
_FLAG_COLORS: Final = ("#b3261e", "#8a5800", "#6b4fa0", "#2b6cb0", "#1c7248", "#5b6b79")
# A series that only carries another one: in no legend.
_HIDDEN: Final = " "
_USE_GRID, _INDEX_GRID, _HEAT_GRID, _FLAG_GRID = range(4)
# Top and height of each grid in pixels, as `console.css` sizes the chart; the phone's legends take two lines.
_GRIDS: Final = ((64, 216), (346, 120), (532, 128), (704, 36))


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
    """Columns of everything that is drawn over [start, end); `interval` is the length of one consumption interval."""

    start: datetime
    end: datetime
    interval: timedelta
    consumption: Mapping[str, Sequence[Any]]
    indexes: Sequence[Series]
    momentary: Sequence[Series]
    outside: Series
    neighbours: Mapping[str, Sequence[Any]] | None = None
    spans: Sequence[Mapping[str, Any]] = ()
    marks: Sequence[Mark] = ()
    expected: Sequence[Expected] = field(default=())


def evidence_options(texts: Texts, data: Evidence) -> dict[str, Any]:
    """The whole picture. The time axes span [start, end) of `data`, whatever part of it has values."""
    low, high = milliseconds(texts, data.start), milliseconds(texts, data.end)
    time_axis = {
        "type": "time", "min": low, "max": high,
        "axisLabel": {"hideOverlap": True, "show": False}, "axisTick": {"show": False},
    }  # fmt: skip
    grids = range(len(_GRIDS))
    return {
        "textStyle": TEXT_STYLE,
        "animation": False,
        "useUTC": True,
        "aria": {"enabled": True},
        "tooltip": {"trigger": "axis", "confine": True, "axisPointer": {"type": "line"}},
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "grid": [{"left": 58, "right": 52, "top": top, "height": height} for top, height in _GRIDS],
        "xAxis": [
            {**time_axis, "gridIndex": at} if at < _FLAG_GRID
            else {**time_axis, "gridIndex": at, "axisLabel": {"hideOverlap": True}}
            for at in grids
        ],
        "dataZoom": [
            {"type": "inside", "xAxisIndex": list(grids), "zoomOnMouseWheel": "ctrl", "moveOnMouseWheel": False},
            {"type": "slider", "xAxisIndex": list(grids), "height": 18, "bottom": 6, "showDataShadow": False},
        ],
        **evidence_data(texts, data),
    }  # fmt: skip


def evidence_data(texts: Texts, data: Evidence) -> dict[str, Any]:
    """The part that a zoom replaces: value axes (the unit says per what), legends, series."""
    per = texts("per hour") if data.interval < timedelta(days=1) else texts("per day")
    series = [
        *_consumption(texts, data), *_indexes(texts, data.indexes), *_momentary(texts, data.momentary),
        *_flags(texts, data),
    ]  # fmt: skip
    if data.marks and series:
        for at in (_USE_GRID, _INDEX_GRID, _HEAT_GRID):
            first = next((one for one in series if one["xAxisIndex"] == at and one["name"] != _HIDDEN), None)
            if first is not None:
                first["markArea"] = _areas(texts, data, named=at == _USE_GRID)
    plain: dict[str, Any] = {"splitLine": {"show": False}}
    return {
        "yAxis": [
            axis(f"{texts.energy_unit} {per}", gridIndex=_USE_GRID, scale=False),
            axis("°C", "right", gridIndex=_USE_GRID, **plain),
            axis(texts.energy_unit, gridIndex=_INDEX_GRID, splitNumber=3),
            axis("m³", "right", gridIndex=_INDEX_GRID, splitNumber=3, **plain),
            axis("°C", gridIndex=_HEAT_GRID, splitNumber=3),
            axis("m³/h", "right", gridIndex=_HEAT_GRID, splitNumber=3, **plain),
            {
                "type": "category", "gridIndex": _FLAG_GRID, "data": [texts("meter"), texts("value")],
                "axisTick": {"show": False}, "axisLabel": {"color": TEXT_STYLE["color"]},
            },
        ],
        "legend": [_legend(series, at) for at in range(len(_GRIDS))],
        "series": series,
    }  # fmt: skip


def _legend(series: Sequence[Mapping[str, Any]], grid: int) -> dict[str, Any]:
    top = _GRIDS[grid][0] - (58 if grid < _FLAG_GRID else 32)
    names = [one["name"] for one in series if one["xAxisIndex"] == grid and one["name"] != _HIDDEN]
    return {
        "type": "scroll", "top": top, "left": 0, "right": 0, "textStyle": TEXT_STYLE, "itemWidth": 16, "data": names,
    }  # fmt: skip


def _line(texts: Texts, name: str, series: Series, color: str, grid: int, y: int, **more: Any) -> dict[str, Any]:
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


def _consumption(texts: Texts, data: Evidence) -> list[dict[str, Any]]:
    columns = data.consumption
    starts, flags = columns["start_at"], columns["flags"]
    energies = [texts.energy_value(value) for value in columns["energy_kwh"]]
    # Bars stand in the middle of what they count, so that they line up with the index below.
    half = data.interval / 2
    middle = [start + half for start in starts]
    measured = [None if flag & ESTIMATED else value for value, flag in zip(energies, flags, strict=True)]
    estimated = [value if flag & ESTIMATED else None for value, flag in zip(energies, flags, strict=True)]
    shape = {"xAxisIndex": _USE_GRID, "yAxisIndex": 0}
    result: list[dict[str, Any]] = []
    for name, values, color in (("measured", measured, USE), ("estimated", estimated, ESTIMATE)):
        shown = texts(name)
        if len(starts) > MOST:  # hours of a season: the outline of each bucket, bars come with the zoom
            one = _line(texts, shown, Series(shown, "", middle, values), color, _USE_GRID, 0, connectNulls=False)
            result.append({**one, "areaStyle": {"opacity": 0.25}, "lineStyle": {"width": 1}})
        else:
            bar = {"type": "bar", "stack": "use", "barMaxWidth": 18, "id": f"{_USE_GRID}:{shown}:bar"}
            filled = [(at, value) for at, value in zip(middle, values, strict=True) if value is not None]
            points = pairs(texts, [at for at, _ in filled], [value for _, value in filled])
            result.append({**bar, **shape, "name": shown, "data": points, "color": color})
    raw = _raw(texts, data, middle)
    if raw is not None:
        result.append(raw)
    if data.neighbours and data.neighbours["start_at"]:
        result += _band(texts, data.neighbours, data.interval)
    if data.outside.times:
        style = {"width": 1.2, "type": "dashed"}
        result.append(_line(texts, texts("outside"), data.outside, OUTSIDE, _USE_GRID, 1, lineStyle=style))
    return result


def _raw(texts: Texts, data: Evidence, middle: Sequence[datetime]) -> dict[str, Any] | None:
    """Differences of the index as it was displayed, before any rule: where it leaves the bars, a rule spoke."""
    indexes = [one for one in data.indexes if one.unit == "kWh" and len(one.times) > 1]
    if not indexes or not middle or len(middle) > MOST:
        return None
    values: list[float | None] = [None] * len(middle)
    half = data.interval.total_seconds() / 2
    centres = np.array([at.timestamp() for at in middle])
    for one in indexes:
        at = np.array([time.timestamp() for time in one.times])
        shown = np.array([np.nan if value is None else value for value in one.values], dtype=float)
        difference = np.interp(centres + half, at, shown) - np.interp(centres - half, at, shown)
        inside = (centres - half >= at[0]) & (centres + half <= at[-1] + half)
        for position in np.flatnonzero(inside):
            values[position] = texts.energy_value(float(difference[position]))
    name = texts("raw, from the display")
    line = _line(texts, name, Series(name, "", list(middle), values), RAW, _USE_GRID, 0)
    return {**line, "step": "middle", "showSymbol": False, "lineStyle": {"width": 1, "type": "dotted"}}


def _band(texts: Texts, neighbours: Mapping[str, Sequence[Any]], interval: timedelta) -> list[dict[str, Any]]:
    times = [start + interval / 2 for start in neighbours["start_at"]]
    low = [texts.energy_value(value) for value in neighbours["low"]]
    width = [
        texts.energy_value(high - below) for high, below in zip(neighbours["high"], neighbours["low"], strict=True)
    ]
    shared = {
        "type": "line", "stack": "band", "showSymbol": False, "lineStyle": {"opacity": 0}, "silent": True,
        "xAxisIndex": _USE_GRID, "yAxisIndex": 0, "tooltip": {"show": False},
    }  # fmt: skip
    shown = texts("neighbours, middle half")
    median = Series("", "", times, [texts.energy_value(value) for value in neighbours["median"]])
    return [
        {**shared, "id": "band:low", "name": _HIDDEN, "data": pairs(texts, times, low)},
        {
            **shared, "id": "band:width", "name": shown, "data": pairs(texts, times, width),
            "areaStyle": {"color": BAND, "opacity": 0.45}, "color": BAND,
        },
        _line(
            texts, texts("neighbours, median"), median, "#56788f", _USE_GRID, 0, showSymbol=False,
            lineStyle={"width": 1.2},
        ),
    ]  # fmt: skip


def _areas(texts: Texts, data: Evidence, *, named: bool) -> dict[str, Any]:
    spans: list[list[dict[str, Any]]] = [
        [
            {"xAxis": milliseconds(texts, mark.start), "name": mark.name if named else ""},
            {"xAxis": milliseconds(texts, mark.end)},
        ]
        for mark in data.marks
    ]
    days = data.interval / timedelta(days=1)
    style = {"color": "rgba(28, 114, 72, 0.14)", "borderColor": "#1c7248", "borderWidth": 1, "borderType": "dashed"}
    for one in data.expected if named else ():
        low, high = texts.energy_value(one.low_kwh_per_day * days), texts.energy_value(one.high_kwh_per_day * days)
        spans.append(
            [
                {
                    "coord": [milliseconds(texts, one.start), low], "name": texts("expected"), "itemStyle": style,
                    "label": {"color": "#135c38", "position": "insideBottomLeft"},
                },
                {"coord": [milliseconds(texts, one.end), high]},
            ]
        )  # fmt: skip
    return {
        "silent": True,
        "itemStyle": {"color": "rgba(185, 58, 14, 0.10)"},
        "label": {"color": "#8c2b0a", "position": "insideTop"},
        "data": spans,
    }


def _indexes(texts: Texts, indexes: Sequence[Series]) -> list[dict[str, Any]]:
    """The displayed index of every meter that was installed, energy left, volume right."""
    result = []
    for number, one in enumerate(indexes):
        volume = one.unit == "m3"
        shown = one if volume else Series(one.name, one.unit, one.times, [texts.energy_value(v) for v in one.values])
        color = FLOW if volume else (INDEX, "#3d7ea6")[number % 2]
        name = series_text(texts, one.name)
        result.append(_line(texts, name, shown, color, _INDEX_GRID, 3 if volume else 2, step="end", showSymbol=False))
    return result


def _momentary(texts: Texts, momentary: Sequence[Series]) -> list[dict[str, Any]]:
    """Supply and return temperature, their difference and the flow."""
    result = []
    for one in momentary:
        color = next((value for key, value in _COLORS.items() if one.name.startswith(key)), OUTSIDE)
        y = 5 if one.unit == "m3/h" else 4
        result.append(_line(texts, series_text(texts, one.name), one, color, _HEAT_GRID, y, showSymbol=False))
    return result


def _flags(texts: Texts, data: Evidence) -> list[dict[str, Any]]:
    """Two lanes of bars: what the meter said about itself, and what the rules said about its values."""
    lanes: dict[tuple[int, str], list[tuple[datetime, datetime]]] = {}
    for span in data.spans:
        for flag in span["flags"] or [f"info {span['info_code']}"]:
            lanes.setdefault((0, device_text(texts, flag)), []).append((span["from_ts"], span["to_ts"]))
    names: dict[int, list[str]] = {}  # a year has few different flags and many hours
    for start, flags in zip(data.consumption["start_at"], data.consumption["flags"], strict=True):
        if flags not in names:
            names[flags] = flag_text_list(texts, flags)
        for name in names[flags]:
            lane = lanes.setdefault((1, name), [])
            if lane and lane[-1][1] >= start:
                lane[-1] = (lane[-1][0], start + data.interval)
            else:
                lane.append((start, start + data.interval))
    result = []
    narrow = (data.end - data.start) / 200  # a single telegram must be seen too
    for number, ((row, name), spans) in enumerate(lanes.items()):
        points: list[list[Any]] = []
        for start, end in spans[:MOST]:
            last = max(end, start + narrow)
            points += [[milliseconds(texts, start), row], [milliseconds(texts, last), row], [None, None]]
        style = {"width": 12, "cap": "butt"}
        result.append(
            {
                "type": "line", "id": f"flag:{row}:{name}", "name": name, "data": points, "xAxisIndex": _FLAG_GRID,
                "yAxisIndex": 6, "showSymbol": False, "lineStyle": style, "connectNulls": False,
                "tooltip": {"show": False}, "color": _FLAG_COLORS[number % len(_FLAG_COLORS)],
            }
        )  # fmt: skip
    return result
