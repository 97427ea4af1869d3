"""Field work on a phone: read by hand, exchange a meter, commission it, walk a route, run a campaign.

Forms go to the HTTP interface with an idempotency key and are kept in the browser until an answer came: a bad
connection loses nothing and sends nothing twice.
"""

import json
from datetime import timedelta
from html import escape
from typing import Any
from urllib.parse import quote

from nicegui import ui

from api.console.frame import card, empty, frame, heading, item_row, link
from api.console.photos import PHOTOS
from api.console.refusals import codes_for_browser, for_browser, told
from api.console.rounds import start_dialog
from api.console.session import Visitor
from api.console.texts import Texts, marked
from api.console.words import REGISTERS, word
from api.field import campaigns
from api.field.exchange import REASONS
from ingest.errors import ConflictError, NotFoundError
from ingest.store import areas as area_store
from ingest.store import board, evidence, registry


def scripts(visitor: Visitor) -> None:
    """What the forms of a field page need: their script, its words, and how many forms still wait."""
    texts = visitor.texts
    words = {
        "sending": texts("Sending…"),
        "waiting": texts("No connection: kept here and sent as soon as there is one."),
        "done": texts("Stored."),
        "refused": texts("Refused."),
        "photo": texts("A photo could not be kept or sent; the form goes without it."),
        "type": texts("This browser reads no barcodes: type the number."),
        "queued": texts("{n} forms wait here until there is a connection."),
        "refusals": for_browser(texts),
        **codes_for_browser(texts),
    }
    # "<" can't end the script element: nothing in the texts is allowed to.
    body = json.dumps(words).replace("<", "\\u003c")
    ui.add_body_html(f'<script type="application/json" id="hb-field-words">{body}</script>')
    ui.add_body_html('<script src="/console-static/field.js" defer></script>')
    ui.html('<div id="hb-outbox-count" role="status" class="hb-warn"></div>', sanitize=False)


def _field(label: str, control: str) -> str:
    return f"<label>{escape(label)}{control}</label>"


def _local_now(visitor: Visitor) -> str:
    """Value of a time field in the reader's zone, and that zone's name: a phone may be set to another one, and the
    offset is that of the day somebody names."""
    now = visitor.parts.clock.now().astimezone(visitor.texts.zone)
    return f'value="{now:%Y-%m-%dT%H:%M}" data-zone="{escape(visitor.texts.zone.key)}"'


def lookup_form(visitor: Visitor, action: str, name: str, label: str, value: str) -> None:
    """Ask for a serial or a code: scanned or typed."""
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


_TILES = (
    ("/field/entry", "edit_note", marked("Read by hand"), marked("checked before it is stored")),
    ("/field/exchange", "swap_horiz", marked("Exchange a meter"), marked("no energy is lost")),
    ("/field/commission", "fact_check", marked("Commission a meter"), marked("the checklist")),
    ("/lines", "lan", marked("Lines to the meters"), marked("who is silent and why; read one now")),
    ("/map", "map", marked("Map"), marked("buildings by alerts and comms")),
)


async def field_page(visitor: Visitor) -> None:
    """What a technician can do here, and the areas' routes."""
    texts = visitor.texts
    async with visitor.connection() as connection:
        areas = await area_store.areas(connection)
        running = await campaigns.listed(connection, visitor.actor)
    visible = [area for area in areas if visitor.actor.sees(area.area_id)]
    with frame(visitor, texts("Field work"), current="/field"):
        scripts(visitor)
        heading(texts("Field work"))
        with ui.element("div").classes("hb-tiles"):
            for address, icon, title, note in _TILES:
                ui.html(
                    f'<a class="hb-tile" href="{address}"><span class="icon" aria-hidden="true">{icon}</span>'
                    f'<span><span class="title">{escape(texts(title))}</span><br>'
                    f'<span class="note">{escape(texts(note))}</span></span></a>',
                    sanitize=False,
                )
        with ui.element("div").classes("hb-halves"):
            with card(texts("Routes")):
                for area in visible:
                    with item_row():
                        ui.html(link(area.name, f"/field/routes/{quote(area.code)}"), sanitize=False)
                        ui.label(area.team or "–").classes("hb-muted")
            _campaigns(visitor, running)


def _campaigns(visitor: Visitor, running: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    with card(texts("Campaigns")):
        if not running:
            empty(texts("No campaign yet: a lead starts one here."))
        for row in running:
            with item_row():
                ui.html(link(row["name"] or row["code"], f"/field/campaigns/{quote(row['code'])}"), sanitize=False)
                ui.label(f"{texts.date(row['start_date'])} – {texts.date(row['end_date'])}").classes("hb-muted")
        if visitor.actor.may("lead"):
            ui.button(texts("Start a campaign…"), icon="flag", on_click=lambda: start_dialog(visitor)).props(
                "no-caps outline"
            )


async def entry_page(visitor: Visitor, serial: str = "", kind: str = "reading") -> None:
    """A reading off the display, checked before it is stored."""
    texts = visitor.texts
    meter, registers, problem = await meter_of(visitor, serial)
    with frame(visitor, texts("Read by hand"), current="/field"):
        scripts(visitor)
        heading(texts("Read by hand"), serial)
        lookup_form(visitor, "/field/entry", "serial", texts("Meter serial"), serial)
        if problem:
            empty(problem)
        if meter is None:
            return
        options = "".join(
            f'<option value="{escape(one.name)}">{escape(f"{word(texts, one.name, REGISTERS)} ({one.unit})")}</option>'
            for one in (stored.register for stored in registers)
            if one.cumulative
        )
        kinds = "".join(
            f'<option value="{one}"{" selected" if one == kind else ""}>{escape(word(texts, one))}</option>'
            for one in ("reading", "edit", "estimate")
        )
        with card(f"{meter.serial} · {meter.point or texts('not installed')}"):
            ui.html(
                '<form class="hb-form" data-form="entry" data-outbox="/api/v1/field/readings"'
                ' data-check="/api/v1/field/readings/check">'
                f'<input type="hidden" name="meter_id" data-type="int" value="{meter.meter_id}">'
                + (f'<input type="hidden" name="point" value="{escape(meter.point)}">' if meter.point else "")
                + _field(texts("What it is"), f'<select name="kind">{kinds}</select>')
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


async def meter_of(visitor: Visitor, serial: str) -> tuple[Any, list[Any], str]:
    """The meter of a serial with its registers, or why there is none."""
    if not serial:
        return None, [], ""
    try:
        async with visitor.connection() as connection:
            meter = await registry.get_meter(connection, serial=serial)
            return meter, await registry.registers(connection, meter.meter_id), ""
    except (NotFoundError, ConflictError) as error:
        return None, [], told(visitor.texts, error)


async def exchange_page(visitor: Visitor, point: str = "") -> None:
    """Old meter out, new meter in: final index, initial index, reason, photos."""
    texts, facts = visitor.texts, None
    current: dict[str, Any] | None = None
    newest: list[dict[str, Any]] = []
    if point:
        async with visitor.connection() as connection:
            facts = await evidence.point_facts(connection, point)
            current = next((row for row in facts["installations"] if row["to_ts"] is None), None) if facts else None
            if current is not None:
                since = visitor.parts.clock.now() - timedelta(days=60)
                newest = await board.newest_values(connection, current["meter_id"], since)
        if facts is not None:
            visitor.actor.require_area(facts["area_id"], "point")
    with frame(visitor, texts("Exchange a meter"), current="/field"):
        scripts(visitor)
        heading(texts("Exchange a meter"), point)
        lookup_form(visitor, "/field/exchange", "point", texts("Point code"), point)
        if point and facts is None:
            empty(texts("There is no point {code}. Search for it under Points.", code=point))
        if facts is None:
            return
        if current is None:
            empty(texts("No meter is installed here: adopt one under Intake or exchange one under Field work."))
            return
        _exchange_form(visitor, point, current, newest)


def _step(title: str, *fields: str) -> str:
    return f"<fieldset><legend>{escape(title)}</legend>{''.join(fields)}</fieldset>"


def _photo_field(texts: Texts, shows: str) -> str:
    chooser = f'<input type="file" accept="image/*" capture="environment" data-shows="{shows}">'
    return _field(texts("Photo: {what}", what=word(texts, shows, PHOTOS)), chooser)


def _exchange_form(visitor: Visitor, point: str, current: dict[str, Any], newest: list[dict[str, Any]]) -> None:
    texts = visitor.texts
    reasons = "".join(f'<option value="{one}">{escape(word(texts, one))}</option>' for one in REASONS)
    unit = current["energy_unit"] or ""
    scan = f'<button type="button" class="hb-plain" data-scan="hb-new">{escape(texts("Scan"))}</button>'
    with card(texts("Now installed: {serial}", serial=current["serial"])):
        for row in newest:
            if row["name"] in ("energy", "volume"):
                told = f"{_number(texts, row)} {row['unit'].replace('m3', 'm³')} · {texts.moment(row['ts'])}"
                name = word(texts, row["name"], REGISTERS)
                ui.label(texts("Last reading, {register}: {told}", register=name, told=told)).classes(
                    "hb-muted text-sm"
                )
        ui.html(
            '<form class="hb-form hb-steps" data-form="exchange" data-outbox="/api/v1/field/exchanges"'
            f' data-next="/field/commission?serial=" data-next-field="new_serial"'
            f' data-next-text="{escape(texts("Commission the new meter"))}">'
            f'<input type="hidden" name="point" value="{escape(point)}">'
            + _step(
                texts("The old meter"),
                _field(f"{texts('Final index')} ({unit})", '<input name="final_energy" inputmode="decimal" required>'),
                _field(f"{texts('Final volume')} (m³)", '<input name="final_volume" inputmode="decimal">'),
                _photo_field(texts, "final_index"),
            )
            + _step(
                texts("The new meter"),
                _field(
                    texts("New serial"), '<input id="hb-new" name="new_serial" required autocapitalize="characters">'
                ),
                scan,
                _field(
                    f"{texts('Initial index')} ({unit})", '<input name="initial_energy" inputmode="decimal" value="0">'
                ),
                _field(f"{texts('Initial volume')} (m³)", '<input name="initial_volume" inputmode="decimal">'),
                _photo_field(texts, "initial_index"),
                _photo_field(texts, "meter_plate"),
            )
            + _step(
                texts("When and why"),
                _field(
                    texts("Exchanged at"), f'<input name="at" type="datetime-local" {_local_now(visitor)} required>'
                ),
                _field(texts("Reason"), f'<select name="reason">{reasons}</select>'),
            )
            + f'<button type="submit">{escape(texts("Exchange"))}</button>'
            '<div data-outbox-state="exchange" role="status" style="white-space:pre-line"></div></form>',
            sanitize=False,
        ).classes("w-full")


def _number(texts: Texts, row: dict[str, Any]) -> str:
    return texts.number(row["value"] * 10.0 ** row["scale"], max(0, -row["scale"]))
