"""The curves of the evidence picture: consumption with its bands, index, temperatures and flow."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from api.console.charts import USE, pairs
from api.console.evidence_parts import ESTIMATED, HEAT_GRID, HIDDEN, INDEX_GRID, MOST, USE_GRID, Evidence, line
from api.console.texts import Texts
from api.console.words import series_text
from ingest.store.evidence import Series

INDEX, ESTIMATE, SUPPLY, RETURN, OUTSIDE, BAND, FLOW, RAW, USUAL = (
    "#12354d", "#e8a33d", "#b93a0e", "#2b6cb0", "#5b6b79", "#9fb8c8", "#6b4fa0", "#17212b", "#3f9168",
)  # fmt: skip
# Where the value of a whole day stands.
_NOON: Final = timedelta(hours=12)
_COLORS: Final = {"supply": SUPPLY, "return": RETURN, "flow": FLOW, "power": "#1c7248", "temperature": "#8a5800"}


def consumption_series(texts: Texts, data: Evidence) -> list[dict[str, Any]]:
    """Measured and estimated consumption, the raw difference of the display, the bands, the outside temperature."""
    columns = data.consumption
    starts, flags = columns["start_at"], columns["flags"]
    energies = [texts.energy_value(value) for value in columns["energy_kwh"]]
    # Bars stand in the middle of what they count, so that they line up with the index below.
    half = data.interval / 2
    middle = [start + half for start in starts]
    measured = [None if flag & ESTIMATED else value for value, flag in zip(energies, flags, strict=True)]
    estimated = [value if flag & ESTIMATED else None for value, flag in zip(energies, flags, strict=True)]
    shape = {"xAxisIndex": USE_GRID, "yAxisIndex": 0}
    result: list[dict[str, Any]] = []
    for name, values, color in (("measured", measured, USE), ("estimated", estimated, ESTIMATE)):
        shown = texts(name)
        if len(starts) > MOST:  # hours of a season: the outline of each bucket, bars come with the zoom
            one = line(texts, shown, Series(shown, "", middle, values), color, USE_GRID, 0, connectNulls=False)
            result.append({**one, "areaStyle": {"opacity": 0.25}, "lineStyle": {"width": 1}})
        else:
            bar = {"type": "bar", "stack": "use", "barMaxWidth": 18, "id": f"{USE_GRID}:{shown}:bar"}
            filled = [(at, value) for at, value in zip(middle, values, strict=True) if value is not None]
            points = pairs(texts, [at for at, _ in filled], [value for _, value in filled])
            result.append({**bar, **shape, "name": shown, "data": points, "color": color})
    raw = _raw(texts, data, middle)
    if raw is not None:
        result.append(raw)
    if data.neighbours and data.neighbours["start_at"]:
        result += _neighbours(texts, data.neighbours, data.interval)
    if data.usual and data.usual["start_at"]:
        result += _usual(texts, data.usual, data.interval)
    if data.outside.times:
        style = {"width": 1.2, "type": "dashed"}
        result.append(line(texts, texts("outside"), data.outside, OUTSIDE, USE_GRID, 1, lineStyle=style))
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
    drawn = line(texts, name, Series(name, "", list(middle), values), RAW, USE_GRID, 0)
    return {**drawn, "step": "middle", "showSymbol": False, "lineStyle": {"width": 1, "type": "dotted"}}


def _neighbours(texts: Texts, neighbours: Mapping[str, Sequence[Any]], interval: timedelta) -> list[dict[str, Any]]:
    times = [start + interval / 2 for start in neighbours["start_at"]]
    median = Series("", "", times, [texts.energy_value(value) for value in neighbours["median"]])
    style = {"width": 1.2}
    return [
        *_band(texts, ("band", texts("neighbours, middle half")), times, neighbours["low"], neighbours["high"], BAND),
        line(texts, texts("neighbours, median"), median, "#56788f", USE_GRID, 0, showSymbol=False, lineStyle=style),
    ]


def _usual(texts: Texts, usual: Mapping[str, Sequence[Any]], interval: timedelta) -> list[dict[str, Any]]:
    """The band of days, in the height of the intervals that are drawn."""
    times, share = [start + _NOON for start in usual["start_at"]], interval / timedelta(days=1)
    low, high = ([value * share for value in usual[name]] for name in ("low", "high"))
    return _band(texts, ("usual", texts("expected from the weather")), times, low, high, USUAL)


def _band(
    texts: Texts,
    called: tuple[str, str],
    times: Sequence[datetime],
    low: Sequence[float],
    high: Sequence[float],
    color: str,
) -> list[dict[str, Any]]:
    """The area between two curves: an unseen one that carries the other. `called`: id and name."""
    key, name = called
    shared = {
        "type": "line", "stack": key, "showSymbol": False, "lineStyle": {"opacity": 0}, "silent": True,
        "xAxisIndex": USE_GRID, "yAxisIndex": 0, "tooltip": {"show": False},
    }  # fmt: skip
    below = [texts.energy_value(value) for value in low]
    width = [texts.energy_value(top - bottom) for top, bottom in zip(high, low, strict=True)]
    return [
        {**shared, "id": f"{key}:low", "name": HIDDEN, "data": pairs(texts, times, below)},
        {
            **shared, "id": f"{key}:width", "name": name, "data": pairs(texts, times, width),
            "areaStyle": {"color": color, "opacity": 0.3}, "color": color,
        },
    ]  # fmt: skip


def index_series(texts: Texts, indexes: Sequence[Series]) -> list[dict[str, Any]]:
    """The displayed index of every meter that was installed, energy left, volume right."""
    result = []
    for number, one in enumerate(indexes):
        volume = one.unit == "m3"
        shown = one if volume else Series(one.name, one.unit, one.times, [texts.energy_value(v) for v in one.values])
        color = FLOW if volume else (INDEX, "#3d7ea6")[number % 2]
        name = series_text(texts, one.name)
        result.append(line(texts, name, shown, color, INDEX_GRID, 3 if volume else 2, step="end", showSymbol=False))
    return result


def momentary_series(texts: Texts, momentary: Sequence[Series]) -> list[dict[str, Any]]:
    """Supply and return temperature, their difference and the flow."""
    result = []
    for one in momentary:
        color = next((value for key, value in _COLORS.items() if one.name.startswith(key)), OUTSIDE)
        y = 5 if one.unit == "m3/h" else 4
        result.append(line(texts, series_text(texts, one.name), one, color, HEAT_GRID, y, showSymbol=False))
    return result
