"""The evidence picture on a page: loads what the visible span can show, and loads hours when somebody zooms in.

Rules: hours where the visible span has at most `HOURS` of them, or where the page asks for hours throughout; else days.
What lies around the visible span is loaded with it, so that a small move shows no gap.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from nicegui import events, ui

from api.alerts.expectation import expected_band
from api.console.charts import instant_of, milliseconds
from api.console.evidence_chart import evidence_data, evidence_options
from api.console.evidence_parts import Evidence, Expected, Mark
from api.console.session import Visitor
from ingest.store import evidence
from ingest.store.info_codes import info_code_spans

HOURS: Final = timedelta(days=10)
_INDEXES: Final = {1: "heat_energy", 2: "cooling_energy", 5: "electric_energy"}
MOMENTARY: Final = ("supply_temperature", "return_temperature", "temperature_difference", "flow")
_POINTS: Final = 900
# A page rather goes without a band than waits for a compiler.
_PATIENCE_S: Final = 1.5
_LENGTH: Final = {evidence.HOUR: timedelta(hours=1), evidence.DAY: timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose evidence: point, service and area, the whole span that can be looked at, and what is marked in it."""

    point_id: int
    area_id: int
    service: int
    start: datetime
    end: datetime
    hourly: bool = False
    marks: Sequence[Mark] = ()
    expected: Sequence[Expected] = ()


def resolution_of(subject: Subject, start: datetime, end: datetime) -> int:
    """Hours or days for a visible span."""
    return evidence.HOUR if subject.hourly or end - start <= HOURS else evidence.DAY


async def loaded(connection: Any, subject: Subject, start: datetime, end: datetime) -> Evidence:
    """Everything of [start, end), in the resolution that such a span is looked at."""
    resolution = resolution_of(subject, start, end)
    span: dict[str, Any] = {"point_id": subject.point_id, "start": start, "end": end}
    energy = _INDEXES.get(subject.service)
    counted = (energy, "volume") if energy else ("volume",)
    near = resolution == evidence.DAY and subject.service == 1
    return Evidence(
        start=subject.start,
        end=subject.end,
        interval=_LENGTH[resolution],
        consumption=await evidence.consumption_columns(
            connection, **span, resolution=resolution, service=subject.service
        ),
        indexes=await evidence.register_series(connection, **span, quantities=counted, points=_POINTS),
        momentary=await evidence.register_series(connection, **span, quantities=MOMENTARY, points=_POINTS),
        outside=await evidence.weather_columns(connection, area_id=subject.area_id, start=start, end=end),
        neighbours=await evidence.neighbour_band(connection, **span) if near else None,
        usual=await expected_band(connection, **span, area_id=subject.area_id, patience_s=_PATIENCE_S)
        if subject.service == 1
        else None,
        spans=await info_code_spans(connection, **span),
        marks=subject.marks,
        expected=subject.expected,
    )


class EvidenceView:
    """The chart of one subject; `build` draws it, a zoom refines it."""

    def __init__(self, visitor: Visitor, subject: Subject, data: Evidence) -> None:
        self.visitor, self.subject, self.data = visitor, subject, data
        self._shown = (subject.start, subject.end)
        self._turn = asyncio.Lock()
        self._chart: ui.echart | None = None

    def build(self, label: str) -> None:
        """Place the chart."""
        self._chart = ui.echart(evidence_options(self.visitor.texts, self.data)).classes("hb-chart evidence")
        self._chart.props["role"] = "img"
        self._chart.props["aria-label"] = label
        self._chart.on("chart:datazoom", self._zoomed, throttle=0.25, leading_events=False)

    def window(self, arguments: dict[str, Any]) -> tuple[datetime, datetime]:
        """The visible span of a zoom event: ECharts tells percent of the axis, of the wheel inside a batch."""
        part = (arguments.get("batch") or [arguments])[0]
        texts = self.visitor.texts
        low, high = milliseconds(texts, self.subject.start), milliseconds(texts, self.subject.end)
        first, last = float(part.get("start") or 0.0), float(part.get("end") or 100.0)
        start = instant_of(texts, low + (high - low) * max(0.0, first) / 100)
        end = instant_of(texts, low + (high - low) * min(100.0, last) / 100)
        return start, max(end, start + timedelta(hours=1))

    async def _zoomed(self, event: events.GenericEventArguments) -> None:
        start, end = self.window(event.args)
        async with self._turn:
            if not self._is_stale(start, end) or self._chart is None:
                return
            around = (end - start) / 2
            first, last = max(self.subject.start, start - around), min(self.subject.end, end + around)
            # Hours are asked by what is seen, not by what is loaded around it.
            finer = replace(self.subject, hourly=resolution_of(self.subject, start, end) == evidence.HOUR)
            async with self.visitor.connection() as connection:
                self.data = await loaded(connection, finer, first, last)
            self._shown = (first, last)
            changed = evidence_data(self.visitor.texts, self.data)
            self._chart.run_chart_method("setOption", changed, {"replaceMerge": ["series", "legend", "yAxis"]})

    def _is_stale(self, start: datetime, end: datetime) -> bool:
        first, last = self._shown
        wanted = _LENGTH[resolution_of(self.subject, start, end)]
        outside = start < first or end > last
        return outside or wanted != self.data.interval or (last - first) > 4 * (end - start)
