"""Field work on a phone: read by hand, exchange a meter, commission it, walk a route, run a campaign.

Forms go to the HTTP interface with an idempotency key and are kept in the browser until an answer came: a bad
connection loses nothing and sends nothing twice.
"""

import json
from html import escape
from typing import Any

from nicegui import ui

from api.console.frame import Html, card, empty, frame, grid, heading, link, pill
from api.console.rounds import start_dialog
from api.console.session import Visitor
from api.console.texts import marked
from api.console.words import CHECKS, REGISTERS, word
from api.field import campaigns, service
from api.field import readings as hand_readings
from api.field.service import REASONS
from ingest.errors import ConflictError, IngestError, NotFoundError
from ingest.store import areas as area_store
from ingest.store import evidence, registry


def _scripts(visitor: Visitor) -> None:
    texts = visitor.texts
    words = {
        "sending": texts("Sending…"),
        "waiting": texts("No connection: kept here and sent as soon as there is one."),
        "done": texts("Stored."),
        "refused": texts("Refused."),
        "photo": texts("The photo could not be sent."),
        "type": texts("This browser reads no barcodes: type the number."),
    }
    # "<" can't end the script element: nothing in the texts is allowed to.
    body = json.dumps(words).replace("<", "\\u003c")
    ui.add_body_html(f'<script type="application/json" id="hb-field-words">{body}</script>')
    ui.add_body_html('<script src="/console-static/field.js" defer></script>')


def _field(label: str, control: str) -> str:
    return f"<label>{escape(label)}{control}</label>"


def _local_now(visitor: Visitor) -> str:
    """Value of a time field in the reader's zone, and that zone's offset: a phone may be set to another one."""
    now = visitor.parts.clock.now().astimezone(visitor.texts.zone)
    offset = f"{now:%z}"
    return f'value="{now:%Y-%m-%dT%H:%M}" data-offset="{offset[:3]}:{offset[3:5]}"'


def _lookup_form(visitor: Visitor, action: str, name: str, label: str, value: str) -> None:
    texts = visitor.texts
    ui.html(
        f'<form method="get" action="{action}" class="hb-form">'
        + _field(label, f'<input id="hb-lookup" name="{name}" value="{escape(value)}" required>')
        + '<div class="hb-form-row">'
        f'<button type="button" class="hb-plain" data-scan="hb-lookup">{escape(texts("Scan"))}</button>'
        f'<button type="submit">{escape(texts("Go on"))}</button></div>'
        '<div data-outbox-state="scan" role="status"></div></form>',
        sanitize=False,
    ).classes("w-full")


async def field_page(visitor: Visitor) -> None:
    """What a technician can do here, and the areas' routes."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        areas = await area_store.areas(connection)
        running = await campaigns.listed(connection, visitor.actor)
        waiting = await hand_readings.listed(connection, visitor.actor, ["entered", "second_approval"])
    visible = [area for area in areas if visitor.actor.areas is None or area.area_id in visitor.actor.areas]
    with frame(visitor, texts("Field work"), current="/field"):
        heading(texts("Field work"))
        with ui.element("div").classes("hb-figures"):
            for address, title, note in (
                ("/field/entry", marked("Read by hand"), marked("checked before it is stored")),
                ("/field/exchange", marked("Exchange a meter"), marked("no energy is lost")),
                ("/field/commission", marked("Commission a meter"), marked("the checklist")),
            ):
                ui.html(
                    f'<a class="hb-figure" href="{address}"><div class="value">{escape(texts(title))}</div>'
                    f'<div class="note">{escape(texts(note))}</div></a>',
                    sanitize=False,
                )
        with card(texts("Routes")):
            grid(
                [(texts("Area"), "text"), (texts("Team"), "text")],
                [(Html(link(area.name, f"/field/routes/{area.code}")), area.team or "–") for area in visible],
                caption=texts("Routes"),
            )
        with card(texts("Campaigns")):
            if running:
                grid(
                    [(texts("Campaign"), "text"), (texts("From"), "text"), (texts("To"), "text")],
                    [
                        (
                            Html(link(row["name"] or row["code"], f"/field/campaigns/{row['code']}")),
                            str(row["start_date"]),
                            str(row["end_date"]),
                        )
                        for row in running
                    ],
                    caption=texts("Campaigns"),
                )  # fmt: skip
            else:
                empty(texts("No campaign yet: a lead starts one here."))
            if visitor.actor.may("lead"):
                ui.button(texts("Start a campaign…"), on_click=lambda: start_dialog(visitor)).props("no-caps outline")
        _waiting(visitor, waiting)


def _waiting(visitor: Visitor, rows: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    with card(texts("Hand-made values that wait for a second person")):
        if not rows:
            empty(texts("Nothing waits for approval."))
            return
        for row in rows[:50]:
            value = f"{row['value'] * 10.0 ** row['scale']:g} {row['unit']}"
            with ui.row().classes("w-full items-center justify-between"):
                told = (row["serial"], value, texts.moment(row["ts"]), word(texts, row["kind"]), row["entered_by"])
                ui.label(" · ".join(told))
                if visitor.actor.may("approver"):
                    with ui.row().classes("gap-1"):
                        for approve, name in ((True, marked("Approve")), (False, marked("Reject"))):
                            ui.button(
                                texts(name),
                                on_click=lambda row=row, approve=approve: _decide(visitor, row["manual_id"], approve),
                            ).props("no-caps outline dense")


async def _decide(visitor: Visitor, manual_id: int, approve: bool) -> None:
    try:
        async with visitor.connection() as connection:
            await hand_readings.decide(connection, visitor.actor, manual_id, approve=approve)
    except IngestError as error:
        ui.notify(error.message, type="negative")
        return
    ui.navigate.reload()


async def entry_page(visitor: Visitor, serial: str = "") -> None:
    """A reading off the display, checked before it is stored."""
    texts = visitor.texts
    meter, registers, problem = await _meter(visitor, serial)
    with frame(visitor, texts("Read by hand"), current="/field"):
        _scripts(visitor)
        heading(texts("Read by hand"), serial)
        _lookup_form(visitor, "/field/entry", "serial", texts("Meter serial"), serial)
        if problem:
            empty(problem)
        if meter is None:
            return
        options = "".join(
            f'<option value="{escape(one.name)}">{escape(f"{word(texts, one.name, REGISTERS)} ({one.unit})")}</option>'
            for one in (stored.register for stored in registers)
            if one.cumulative
        )
        with card(f"{meter.serial} · {meter.point or texts('not installed')}"):
            ui.html(
                '<form class="hb-form" data-form="entry" data-outbox="/api/v1/field/readings">'
                f'<input type="hidden" name="meter_id" data-type="int" value="{meter.meter_id}">'
                + (f'<input type="hidden" name="point" value="{escape(meter.point)}">' if meter.point else "")
                + _field(texts("Register"), f'<select name="register">{options}</select>')
                + _field(texts("Display, as shown"), '<input name="display" inputmode="decimal" required>')
                + _field(texts("Read at"), f'<input name="at" type="datetime-local" {_local_now(visitor)} required>')
                + _field(texts("Photo"), '<input type="file" accept="image/*" capture="environment">')
                + _field(texts("Reason or remark"), '<input name="reason">')
                + '<label hidden><span><input type="checkbox" name="confirmed"> '
                f"{escape(texts('I have read the warnings'))}</span></label>"
                f'<button type="submit">{escape(texts("Store"))}</button>'
                '<div data-outbox-state="entry" role="status" style="white-space:pre-line"></div></form>',
                sanitize=False,
            ).classes("w-full")


async def _meter(visitor: Visitor, serial: str) -> tuple[Any, list[Any], str]:
    if not serial:
        return None, [], ""
    try:
        async with visitor.connection() as connection:
            meter = await registry.get_meter(connection, serial=serial)
            return meter, await registry.registers(connection, meter.meter_id), ""
    except (NotFoundError, ConflictError) as error:
        return None, [], error.message


async def exchange_page(visitor: Visitor, point: str = "") -> None:
    """Old meter out, new meter in: final index, initial index, reason, photo."""
    texts, facts = visitor.texts, None
    if point:
        async with visitor.connection() as connection:
            facts = await evidence.point_facts(connection, point)
        if facts is not None:
            visitor.actor.require_area(facts["area_id"], "point")
    with frame(visitor, texts("Exchange a meter"), current="/field"):
        _scripts(visitor)
        heading(texts("Exchange a meter"), point)
        _lookup_form(visitor, "/field/exchange", "point", texts("Point code"), point)
        if point and facts is None:
            empty(texts("There is no point {code}. Search for it under Points.", code=point))
        if facts is None:
            return
        current = next((row for row in facts["installations"] if row["to_ts"] is None), None)
        if current is None:
            empty(texts("No meter is installed here: adopt one under Intake or exchange one under Field work."))
            return
        _exchange_form(visitor, point, current)


def _exchange_form(visitor: Visitor, point: str, current: dict[str, Any]) -> None:
    texts = visitor.texts
    reasons = "".join(f'<option value="{one}">{escape(word(texts, one))}</option>' for one in REASONS)
    unit = current["energy_unit"] or ""
    with card(texts("Now installed: {serial}", serial=current["serial"])):
        ui.html(
            '<form class="hb-form" data-form="exchange" data-outbox="/api/v1/field/exchanges">'
            f'<input type="hidden" name="point" value="{escape(point)}">'
            + _field(f"{texts('Final index')} ({unit})", '<input name="final_energy" inputmode="decimal" required>')
            + _field(f"{texts('Final volume')} (m³)", '<input name="final_volume" inputmode="decimal">')
            + _field(texts("New serial"), '<input id="hb-new" name="new_serial" required autocapitalize="characters">')
            + f'<button type="button" class="hb-plain" data-scan="hb-new">{escape(texts("Scan"))}</button>'
            + _field(
                f"{texts('Initial index')} ({unit})", '<input name="initial_energy" inputmode="decimal" value="0">'
            )
            + _field(f"{texts('Initial volume')} (m³)", '<input name="initial_volume" inputmode="decimal">')
            + _field(texts("Exchanged at"), f'<input name="at" type="datetime-local" {_local_now(visitor)} required>')
            + _field(texts("Reason"), f'<select name="reason">{reasons}</select>')
            + _field(texts("Photo"), '<input type="file" accept="image/*" capture="environment">')
            + f'<button type="submit">{escape(texts("Exchange"))}</button>'
            '<div data-outbox-state="exchange" role="status" style="white-space:pre-line"></div></form>',
            sanitize=False,
        ).classes("w-full")


async def commission_page(visitor: Visitor, serial: str = "") -> None:
    """The checklist of a meter: what the service sees, what a person notes."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    meter, _, problem = await _meter(visitor, serial)
    items: list[dict[str, Any]] = []
    if meter is not None:
        async with visitor.connection() as connection:
            items = await service.commissioning(connection, visitor.actor, meter.meter_id, now=now)
    with frame(visitor, texts("Commission a meter"), current="/field"):
        _scripts(visitor)
        heading(texts("Commission a meter"), serial)
        _lookup_form(visitor, "/field/commission", "serial", texts("Meter serial"), serial)
        if problem:
            empty(problem)
        if meter is None:
            return
        with card(f"{meter.serial} · {meter.point or texts('not installed')}"):
            for item in items:
                _check(visitor, meter.meter_id, item)


def _check(visitor: Visitor, meter_id: int, item: dict[str, Any]) -> None:
    texts = visitor.texts
    tone, verdict = {True: ("good", texts("in order")), False: ("critical", texts("not in order"))}.get(
        item["passed"], ("info", texts("open"))
    )

    async def note(passed: bool) -> None:
        async with visitor.connection() as connection:
            await service.note_check(connection, visitor.actor, meter_id, item["item"], passed=passed)
        ui.navigate.reload()

    with ui.row().classes("w-full items-center justify-between").style("border-bottom:1px solid #eaeff3"):
        with ui.element("div"):
            ui.html(
                f"<strong>{escape(word(texts, item['item'], CHECKS))}</strong> " + pill(verdict, tone),
                sanitize=False,
            )
            by = f" · {item['checked_by']}" if item["checked_by"] else ""
            ui.label(f"{item['shown']}{by}").classes("hb-muted text-sm")
        with ui.row().classes("gap-1"):
            ui.button(icon="check", on_click=lambda: note(True)).props(f'flat dense aria-label="{texts("in order")}"')
            ui.button(icon="close", on_click=lambda: note(False)).props(
                f'flat dense aria-label="{texts("not in order")}"'
            )
