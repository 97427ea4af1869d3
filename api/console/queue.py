"""The reviewer's queue: open alerts by energy at stake, filtered, decided one by one or many at once.

Keys: j and k move, Enter opens, x marks, a acknowledges what is marked (or the current row).
"""

import asyncio
from collections.abc import Mapping
from html import escape
from typing import Any

from nicegui import events, ui

from api.alerts import service, views
from api.console.decisions import decision_buttons
from api.console.frame import empty, figure, frame, heading, tabs
from api.console.names import kind_text, state_text
from api.console.queue_filters import filter_row, filters_of, incident_list, saved_views
from api.console.refusals import told_text
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import word
from api.field import readings as hand_readings
from ingest.alerting import AlertAction
from ingest.store import areas as area_store

PAGE = 50
# States of a hand-made value that wait for a person.
WAITING = ("entered", "second_approval")
_COLUMNS = (
    ("point", marked("Point"), "left"),
    ("kind", marked("Kind"), "left"),
    ("severity", marked("Severity"), "left"),
    ("state", marked("State"), "left"),
    ("since", marked("Since"), "left"),
    ("stake", marked("At stake"), "right"),
    ("confidence", marked("Confidence"), "right"),
    ("age", marked("Waiting"), "right"),
    ("assignee", marked("Assignee"), "left"),
)

# What many alerts can be given at once.
_BULK = tuple(
    str(action)
    for action in (
        AlertAction.ACKNOWLEDGE, AlertAction.RESOLVE, AlertAction.FIELD_CHECK, AlertAction.ASSIGN, AlertAction.SNOOZE,
        AlertAction.SUPPRESS,
    )
)  # fmt: skip

# Cells that are more than text. A row is plain HTML: a component for every cell would cost the browser more than all
# else on the page.
_CELLS = {
    "point": """<a class="hb-link" :href="'/alerts/' + props.row.id">{{ props.row.point }}</a>""",
    "severity": """<span :class="'hb-pill ' + props.row.tone">{{ props.row.severity }}</span>""",
    "age": """<span :class="{'hb-overdue': props.row.late}">{{ props.row.age }}</span>""",
}
_ROW = (
    """<tr :class="{selected: props.selected}"><td class="q-table--col-auto-width">BOX</td>"""
    + "".join(
        f'<td class="text-{side}">{_CELLS.get(name, f"{{{{ props.row.{name} }}}}")}</td>' for name, _, side in _COLUMNS
    )
    + "</tr>"
)

# A row on a phone: what and where first, then what is at stake and since when.
_CARD = """
<div class="hb-item">
  BOX
  <a class="hb-link what" :href="'/alerts/' + props.row.id">{{ props.row.point }} · {{ props.row.kind }}</a>
  <span :class="'hb-pill ' + props.row.tone">{{ props.row.severity }}</span>
  <span class="rest">
    {{ props.row.stake }} · {{ props.row.confidence }} · {{ props.row.state }} ·
    <span :class="props.row.late ? 'hb-overdue' : ''">{{ props.row.age }}</span>
  </span>
</div>
"""


class Queue:
    """One visitor's view of the queue: rows shown so far, what is marked, the current row."""

    def __init__(self, visitor: Visitor, query: Mapping[str, str]) -> None:
        self.visitor, self.query = visitor, dict(query)
        self.filters = filters_of(query)
        self.rows: list[dict[str, Any]] = []
        self.current = 0
        self.complete = False
        self.table: ui.table | None = None

    async def more(self) -> None:
        """Fetch the next page behind the last row."""
        last = self.rows[-1] if self.rows else None
        async with self.visitor.connection() as connection:
            found = await service.queue(
                connection,
                self.visitor.actor,
                now=self.visitor.parts.clock.now(),
                filters=self.filters,
                rank=last["rank"] if last else None,
                after=last["alert_id"] if last else None,
                limit=PAGE,
            )
        self.rows += found
        self.complete = len(found) < PAGE
        if self.table is not None:
            self.table.rows = [self.shown(row) for row in self.rows]

    def shown(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row in the reader's words."""
        texts = self.visitor.texts
        return {
            "id": row["alert_id"],
            "point": row["point_code"],
            "kind": kind_text(texts, row["kind"]) + (f" · {texts('incident')}" if row["incident_id"] else ""),
            "severity": word(texts, row["severity"]),
            "tone": row["severity"],
            "state": state_text(texts, row["state"]),
            "since": texts.moment(row["from_ts"]),
            "stake": texts.at_stake(row["energy_at_stake_kwh"]),
            "confidence": texts.percent(row["confidence"], 0),
            "age": self._age(row),
            "late": bool(row["overdue"]),
            "assignee": row["assignee"] or "–",
        }

    def _age(self, row: dict[str, Any]) -> str:
        """How long it has waited for a decision; overdue ones say so in words, not by colour alone."""
        texts, hours = self.visitor.texts, round(row["age_h"])
        age = texts("{n} d", n=hours // 24) if hours >= 48 else texts("{n} h", n=hours)
        return texts("{age}, overdue", age=age) if row["overdue"] else age

    def build(self) -> None:
        """The table and the buttons above it."""
        texts = self.visitor.texts
        columns = [
            {"name": name, "label": texts(title), "field": name, "align": side, "sortable": False}
            for name, title, side in _COLUMNS
        ]
        with ui.element("div").classes("hb-tools w-full"):
            decision_buttons(self.visitor, _BULK, self.decide)
            ui.button(texts("Assign to me"), icon="person", on_click=self.assign).props("no-caps flat")
        ui.label(texts("Keys: j, k move · Enter opens · x marks · a acknowledges")).classes(
            "hb-muted text-sm hb-wide-only"
        )
        self.table = (
            ui.table(columns=columns, rows=[self.shown(row) for row in self.rows], row_key="id", selection="multiple")
            .classes("w-full hb-queue")
            .props('flat bordered dense hide-pagination :rows-per-page-options="[0]" :grid="Quasar.Screen.lt.sm"')
        )
        self._slots()
        self.table.props["aria-label"] = texts("Alerts")
        with ui.row().classes("w-full justify-center"):
            button = ui.button(texts("Show more"), on_click=self.show_more).props("no-caps flat")
            button.bind_visibility_from(self, "complete", backward=lambda complete: not complete)
        ui.keyboard(on_key=self.key)

    def _slots(self) -> None:
        """Rows, on a phone cards; every box says which alert it marks."""
        assert self.table is not None
        texts = self.visitor.texts
        every, one = escape(texts("Mark all alerts")), escape(texts("Mark the alert at"))
        box = f'<q-checkbox dense v-model="props.selected" :aria-label="\'{one} \' + props.row.point" />'
        self.table.add_slot("header-selection", f'<q-checkbox dense v-model="props.selected" aria-label="{every}" />')
        self.table.add_slot("body", _ROW.replace("BOX", box))
        self.table.add_slot("item", _CARD.replace("BOX", box))

    async def show_more(self) -> None:
        """The next page."""
        await self.more()

    async def key(self, event: events.KeyEventArguments) -> None:
        """Keyboard use of the queue."""
        if not event.action.keydown or self.table is None or not self.rows:
            return
        name = event.key.name
        if name in ("j", "k"):
            self.current = min(max(self.current + (1 if name == "j" else -1), 0), len(self.rows) - 1)
            ui.run_javascript(
                "document.querySelectorAll('.hb-queue tbody tr').forEach((row, at) => "
                f"row.classList.toggle('hb-current', at === {self.current}));"
                f"document.querySelectorAll('.hb-queue tbody tr')[{self.current}]?.scrollIntoView({{block: 'nearest'}})"
            )
        elif name == "Enter":
            ui.navigate.to(f"/alerts/{self.rows[self.current]['alert_id']}")
        elif name == "x":
            row = self.shown(self.rows[self.current])
            marked = [one for one in self.table.selected if one["id"] != row["id"]]
            self.table.selected = marked if len(marked) < len(self.table.selected) else [*marked, row]
        elif name == "a":
            await self.acknowledge()

    def _marked(self) -> list[int]:
        assert self.table is not None
        if self.table.selected:
            return [row["id"] for row in self.table.selected]
        return [self.rows[self.current]["alert_id"]] if self.rows else []

    async def acknowledge(self) -> None:
        """Acknowledge what is marked, else the current row."""
        await self.decide(service.Decision(AlertAction.ACKNOWLEDGE))

    async def assign(self) -> None:
        """Assign what is marked to the visitor."""
        await self.decide(service.Decision(AlertAction.ASSIGN, assignee=self.visitor.actor.name))

    async def decide(self, decision: service.Decision) -> bool:
        """Carry a decision out on what is marked, else on the current row; refusals are told one by one."""
        texts, chosen = self.visitor.texts, self._marked()
        if not chosen:
            ui.notify(texts("Mark at least one alert first."), type="warning")
            return False
        async with self.visitor.connection() as connection:
            results = await service.decide_many(
                connection, self.visitor.actor, chosen, decision, now=self.visitor.parts.clock.now()
            )
        failed = [result for result in results if "code" in result]
        done = len(results) - len(failed)
        if done:
            ui.notify(texts("{n} alerts changed", n=done), type="positive")
        for result in failed[:3]:
            point = next((row["point_code"] for row in self.rows if row["alert_id"] == result["alert_id"]), "")
            ui.notify(f"{point}: {told_text(texts, result['message'], result['code'])}", type="warning", timeout=8_000)
        if done:
            await self.reload()
        return done > 0

    async def reload(self) -> None:
        """Fetch again what is shown."""
        self.rows = []
        await self.more()
        if self.table is not None:
            self.table.selected = []


def review_tabs(visitor: Visitor, current: str, waiting: int) -> None:
    """The reviewer's two lists."""
    texts = visitor.texts
    entries = [("/alerts", texts("Alerts")), ("/approvals", f"{texts('Waiting for approval')} · {waiting}")]
    tabs(entries, current, texts("Review"))


async def _tallies(view: Queue) -> list[dict[str, Any]]:
    async with view.visitor.connection() as connection:
        return await service.counts(connection, view.visitor.actor, view.filters)


async def _around(visitor: Visitor) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int, list[area_store.Area]]:
    """What stands around the rows: kept views, open incidents, how many entries wait, areas that the visitor sees."""
    async with visitor.connection() as connection:
        kept = await views.listed(connection, visitor.actor)
        incidents = await service.incidents(connection, visitor.actor, state="open")
        waiting = len(await hand_readings.listed(connection, visitor.actor, list(WAITING)))
        known = await area_store.areas(connection)
    return kept, incidents, waiting, [one for one in known if visitor.actor.sees(one.area_id)]


async def queue_page(visitor: Visitor, query: Mapping[str, str]) -> None:
    """The queue with its counts and filters."""
    texts = visitor.texts
    view = Queue(visitor, query)
    # Counting a hundred thousand alerts takes as long as all the rest: both at once.
    tallies, _, around = await asyncio.gather(_tallies(view), view.more(), _around(visitor))
    kept, incidents, waiting, visible = around
    with frame(visitor, texts("Alerts"), current="/alerts"):
        total = sum(row["alerts"] for row in tallies)
        stake = sum(row["energy_at_stake_kwh"] or 0.0 for row in tallies)
        heading(texts("Alerts to review"), texts("ranked by energy at stake × confidence"))
        review_tabs(visitor, "/alerts", waiting)
        with ui.element("div").classes("hb-figures"):
            figure(texts("Alerts"), texts.number(total))
            critical = sum(row["alerts"] for row in tallies if row["severity"] == "critical")
            figure(texts("Critical"), texts.number(critical), tone="bad" if critical else "")
            figure(texts("At stake"), texts.energy(stake, 0))
        filter_row(visitor, view.query, tallies, visible)
        saved_views(visitor, view.query, kept)
        if not view.filters["incident"]:
            incident_list(visitor, incidents)
        if not view.rows:
            empty(texts("Nothing to review here. Choose another filter, or come back after the next assessment."))
        else:
            view.build()
