"""The evidence of a point in one picture: consumption, index, temperatures and flow, and what was flagged, over one
time axis with one zoom. Its curves and marks stand in `evidence_lines` and `evidence_marks`.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from api.console.charts import TEXT_STYLE, axis, milliseconds
from api.console.evidence_lines import consumption_series, index_series, momentary_series
from api.console.evidence_marks import flag_series, marked_areas
from api.console.evidence_parts import FLAG_GRID, GRIDS, HEAT_GRID, HIDDEN, INDEX_GRID, USE_GRID, Evidence
from api.console.texts import Texts


def evidence_options(texts: Texts, data: Evidence) -> dict[str, Any]:
    """The whole picture. The time axes span [start, end) of `data`, whatever part of it has values."""
    low, high = milliseconds(texts, data.start), milliseconds(texts, data.end)
    time_axis = {
        "type": "time", "min": low, "max": high,
        "axisLabel": {"hideOverlap": True, "show": False}, "axisTick": {"show": False},
    }  # fmt: skip
    grids = range(len(GRIDS))
    return {
        "textStyle": TEXT_STYLE,
        "animation": False,
        "useUTC": True,
        "aria": {"enabled": True},
        "tooltip": {"trigger": "axis", "confine": True, "axisPointer": {"type": "line"}},
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "grid": [{"left": 58, "right": 52, "top": top, "height": height} for top, height in GRIDS],
        "xAxis": [
            {**time_axis, "gridIndex": at} if at < FLAG_GRID
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
        *consumption_series(texts, data), *index_series(texts, data.indexes), *momentary_series(texts, data.momentary),
        *flag_series(texts, data),
    ]  # fmt: skip
    if data.marks and series:
        for at in (USE_GRID, INDEX_GRID, HEAT_GRID):
            first = next((one for one in series if one["xAxisIndex"] == at and one["name"] != HIDDEN), None)
            if first is not None:
                first["markArea"] = marked_areas(texts, data, named=at == USE_GRID)
    plain: dict[str, Any] = {"splitLine": {"show": False}}
    return {
        "yAxis": [
            axis(f"{texts.energy_unit} {per}", gridIndex=USE_GRID, scale=False),
            axis("°C", "right", gridIndex=USE_GRID, **plain),
            axis(texts.energy_unit, gridIndex=INDEX_GRID, splitNumber=3),
            axis("m³", "right", gridIndex=INDEX_GRID, splitNumber=3, **plain),
            axis("°C", gridIndex=HEAT_GRID, splitNumber=3),
            axis("m³/h", "right", gridIndex=HEAT_GRID, splitNumber=3, **plain),
            {
                "type": "category", "gridIndex": FLAG_GRID, "data": [texts("meter"), texts("value")],
                "axisTick": {"show": False}, "axisLabel": {"color": TEXT_STYLE["color"]},
            },
        ],
        "legend": [_legend(series, at) for at in range(len(GRIDS))],
        "series": series,
    }  # fmt: skip


def _legend(series: Sequence[Mapping[str, Any]], grid: int) -> dict[str, Any]:
    top = GRIDS[grid][0] - (58 if grid < FLAG_GRID else 32)
    names = [one["name"] for one in series if one["xAxisIndex"] == grid and one["name"] != HIDDEN]
    return {
        "type": "scroll", "top": top, "left": 0, "right": 0, "textStyle": TEXT_STYLE, "itemWidth": 16, "data": names,
    }  # fmt: skip
