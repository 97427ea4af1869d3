"""What is marked in the evidence picture: the alert's span, what its rule expected, and the lanes of flags."""

from datetime import datetime, timedelta
from typing import Any, Final

from api.console.charts import milliseconds
from api.console.code_words import device_text
from api.console.evidence_parts import FLAG_GRID, MOST, Evidence
from api.console.names import flag_text_list
from api.console.texts import Texts

_FLAG_COLORS: Final = ("#b3261e", "#8a5800", "#6b4fa0", "#2b6cb0", "#1c7248", "#5b6b79")


def marked_areas(texts: Texts, data: Evidence, *, named: bool) -> dict[str, Any]:
    """The alert's span, and what its rule expected within it; `named` where the names have room."""
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


def flag_series(texts: Texts, data: Evidence) -> list[dict[str, Any]]:
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
                "type": "line", "id": f"flag:{row}:{name}", "name": name, "data": points, "xAxisIndex": FLAG_GRID,
                "yAxisIndex": 6, "showSymbol": False, "lineStyle": style, "connectNulls": False,
                "tooltip": {"show": False}, "color": _FLAG_COLORS[number % len(_FLAG_COLORS)],
            }
        )  # fmt: skip
    return result
