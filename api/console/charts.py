"""Chart options for ECharts: plain dictionaries from columns of numbers. No database, no page.

Colours are told apart by lightness as well as hue; every axis names its unit.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from api.console.texts import Texts
from api.console.words import series_text
from ingest.store.evidence import Series

INDEX, USE, ESTIMATED, SUPPLY, RETURN, OUTSIDE, BAND, FLOW = (
    "#12354d", "#0b7285", "#e8a33d", "#b93a0e", "#2b6cb0", "#5b6b79", "#9fb8c8", "#6b4fa0",
)  # fmt: skip
# A series that only carries another one: in no legend.
_HIDDEN = " "
_TEXT = {"fontFamily": "inherit", "color": "#3b4955"}


def _milliseconds(texts: Texts, instant: datetime) -> int:
    # ECharts knows the browser's zone and UTC only: the reader's clock time is drawn as if it were UTC.
    local = instant.astimezone(texts.zone)
    return int(local.replace(tzinfo=UTC).timestamp() * 1000)


def _pairs(texts: Texts, times: Sequence[datetime], values: Sequence[float | None]) -> list[list[Any]]:
    return [
        [_milliseconds(texts, time), None if value is None else round(float(value), 4)]
        for time, value in zip(times, values, strict=True)
    ]


def _base(texts: Texts, *, zoom: bool = True) -> dict[str, Any]:
    options: dict[str, Any] = {
        "textStyle": _TEXT,
        "animation": False,
        "useUTC": True,
        "grid": {"left": 58, "right": 52, "top": 46, "bottom": 58 if zoom else 30},
        "legend": {"top": 4, "type": "scroll", "textStyle": _TEXT},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {"type": "time", "axisLabel": {"hideOverlap": True}},
        "aria": {"enabled": True},
    }
    if zoom:
        options["dataZoom"] = [{"type": "inside"}, {"type": "slider", "height": 18, "bottom": 8}]
    return options


def _axis(name: str, side: str = "left", **more: Any) -> dict[str, Any]:
    return {"type": "value", "name": name, "position": side, "nameTextStyle": _TEXT, "scale": True, **more}


def _line(texts: Texts, name: str, series: Series, color: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "line",
        "name": name,
        "data": _pairs(texts, series.times, series.values),
        "showSymbol": len(series.times) < 60,
        "symbolSize": 4,
        "lineStyle": {"width": 1.6},
        "color": color,
        "sampling": "lttb",
        **more,
    }


def consumption_chart(
    texts: Texts,
    columns: Mapping[str, Sequence[Any]],
    *,
    estimated_mask: int,
    neighbours: Mapping[str, Sequence[Any]] | None = None,
    outside: Series | None = None,
    marks: Sequence[tuple[datetime, datetime, str]] = (),
) -> dict[str, Any]:
    """Energy per interval as bars (estimated ones in another colour), the neighbours' band, the outside temperature.

    `marks` are spans to shade: (from, to, name), used for the alert under review.
    """
    options = _base(texts)
    unit = texts.energy_unit
    starts, energies, flags = columns["start_at"], columns["energy_kwh"], columns["flags"]
    measured = [
        None if flag & estimated_mask else texts.energy_value(value)
        for value, flag in zip(energies, flags, strict=True)
    ]
    estimated = [
        texts.energy_value(value) if flag & estimated_mask else None
        for value, flag in zip(energies, flags, strict=True)
    ]
    options["yAxis"] = [_axis(unit, scale=False)]
    bar = {"type": "bar", "stack": "use", "barMaxWidth": 18}
    series: list[dict[str, Any]] = [
        {**bar, "name": texts("measured"), "data": _pairs(texts, starts, measured), "color": USE},
        {**bar, "name": texts("estimated"), "data": _pairs(texts, starts, estimated), "color": ESTIMATED},
    ]
    if neighbours and neighbours["start_at"]:
        series += _band(texts, neighbours)
    if outside is not None and outside.times:
        options["yAxis"].append(_axis("°C", "right", splitLine={"show": False}))
        series.append(
            _line(texts, texts("outside"), outside, OUTSIDE, yAxisIndex=1, lineStyle={"width": 1.2, "type": "dashed"})
        )
    if marks:
        series[0]["markArea"] = _areas(texts, marks)
    options["series"] = series
    options["legend"]["data"] = [one["name"] for one in series if one["name"] != _HIDDEN]
    return options


def _band(texts: Texts, neighbours: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    times = neighbours["start_at"]
    low = [texts.energy_value(value) for value in neighbours["low"]]
    width = [
        texts.energy_value(high - below) for high, below in zip(neighbours["high"], neighbours["low"], strict=True)
    ]
    shared = {"type": "line", "stack": "band", "showSymbol": False, "lineStyle": {"opacity": 0}, "silent": True}
    median = [texts.energy_value(value) for value in neighbours["median"]]
    return [
        {**shared, "name": _HIDDEN, "data": _pairs(texts, times, low), "tooltip": {"show": False}},
        {
            **shared,
            "name": texts("neighbours, middle half"),
            "data": _pairs(texts, times, width),
            "areaStyle": {"color": BAND, "opacity": 0.45},
            "color": BAND,
            "tooltip": {"show": False},
        },
        {
            "type": "line", "name": texts("neighbours, median"), "data": _pairs(texts, times, median),
            "showSymbol": False, "lineStyle": {"width": 1.2}, "color": "#56788f",
        },
    ]  # fmt: skip


def _areas(texts: Texts, marks: Sequence[tuple[datetime, datetime, str]]) -> dict[str, Any]:
    return {
        "silent": True,
        "itemStyle": {"color": "rgba(185, 58, 14, 0.10)"},
        "label": {"color": "#8c2b0a", "position": "insideTop"},
        "data": [
            [{"xAxis": _milliseconds(texts, start), "name": name}, {"xAxis": _milliseconds(texts, end)}]
            for start, end, name in marks
        ],
    }


def index_chart(
    texts: Texts, indexes: Sequence[Series], marks: Sequence[tuple[datetime, datetime, str]] = ()
) -> dict[str, Any]:
    """The displayed index of every meter that was installed, energy left, volume right."""
    options = _base(texts)
    options["yAxis"] = [_axis(texts.energy_unit), _axis("m³", "right", splitLine={"show": False})]
    series = []
    for number, one in enumerate(indexes):
        volume = one.unit == "m3"
        shown = one if volume else Series(one.name, one.unit, one.times, [texts.energy_value(v) for v in one.values])
        color = FLOW if volume else (INDEX, "#3d7ea6")[number % 2]
        series.append(_line(texts, series_text(texts, one.name), shown, color, yAxisIndex=int(volume), step="end"))
    if marks and series:
        series[0]["markArea"] = _areas(texts, marks)
    options["series"] = series
    return options


def temperature_chart(
    texts: Texts, temperatures: Sequence[Series], marks: Sequence[tuple[datetime, datetime, str]] = ()
) -> dict[str, Any]:
    """Supply and return temperature, their difference and the flow."""
    options = _base(texts)
    options["yAxis"] = [_axis("°C"), _axis("m³/h", "right", splitLine={"show": False})]
    colors = {"supply": SUPPLY, "return": RETURN, "flow": FLOW, "power": "#1c7248", "temperature": "#8a5800"}
    series = []
    for one in temperatures:
        color = next((value for key, value in colors.items() if one.name.startswith(key)), OUTSIDE)
        series.append(_line(texts, series_text(texts, one.name), one, color, yAxisIndex=int(one.unit == "m3/h")))
    if marks and series:
        series[0]["markArea"] = _areas(texts, marks)
    options["series"] = series
    return options


def rate_chart(texts: Texts, hours: Sequence[tuple[datetime, float]]) -> dict[str, Any]:
    """Share of meters heard, hour by hour."""
    options = _base(texts, zoom=False)
    options["legend"] = {"show": False}
    options["grid"]["right"] = 16
    options["yAxis"] = {"type": "value", "min": 0, "max": 100, "axisLabel": {"formatter": "{value} %"}}
    options["series"] = [
        {
            "type": "line",
            "name": texts("meters read"),
            "data": [[_milliseconds(texts, hour), round(share * 100, 1)] for hour, share in hours],
            "areaStyle": {"opacity": 0.15},
            "showSymbol": False,
            "color": USE,
        }
    ]
    return options
