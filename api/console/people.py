"""People, keys and the audit log: who may do what, and who did what."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from html import escape
from typing import Any
from urllib.parse import quote

import psycopg
from nicegui import ui

from api.access import ROLES, SCOPES
from api.console.code_words import AUDIT_ACTIONS
from api.console.dialogs import dialog
from api.console.frame import Html, card, empty, frame, grid, heading, item_row, link, pill
from api.console.names import actor_text
from api.console.refusals import warn
from api.console.session import Visitor
from api.console.words import word
from api.people import service
from ingest.errors import IngestError
from ingest.store import areas as area_store
from ingest.store import audit
from ingest.store.areas import Area

PAGE = 100


async def people_page(visitor: Visitor, *, before: int | None = None, person: str = "") -> None:
    """A lead sees people and the log; an administrator changes people and keys as well."""
    texts, admin = visitor.texts, visitor.actor.may("admin")
    async with visitor.connection() as connection:
        everyone = await service.everyone(connection, visitor.actor)
        keys = await service.keys(connection, visitor.actor) if admin else []
        known = await area_store.areas(connection)
        log = await service.audit_entries(
            connection, visitor.actor, before=before, person=person[:100] or None, limit=PAGE
        )
    areas = [one for one in known if visitor.actor.sees(one.area_id)]
    with frame(visitor, texts("People"), current="/people"):
        heading(texts("People and keys") if admin else texts("People"))
        with card(texts("People")):
            for row in everyone:
                _person(visitor, row, areas)
            if admin:
                ui.button(
                    texts("Add a person…"), icon="person_add", on_click=lambda: _add_person(visitor, areas)
                ).props("no-caps unelevated")
        if admin:
            with card(texts("Keys of machines")):
                if not keys:
                    empty(texts("No key yet: a billing system or a gateway gets its own one here."))
                for row in keys:
                    _key(visitor, row)
                ui.button(texts("Add a key…"), icon="vpn_key", on_click=lambda: _add_key(visitor, areas)).props(
                    "no-caps unelevated"
                )
        _log(visitor, log, person)


def _person(visitor: Visitor, row: dict[str, Any], known: Sequence[Area]) -> None:
    texts, off = visitor.texts, row["disabled_at"] is not None

    async def switch() -> None:
        await _carried_out(visitor, "change_person", row["name"], disabled=not off)

    with item_row():
        state = pill(texts("locked"), "critical") if off else ""
        log = link(row["name"], f"/people?person={quote(row['name'])}")
        named = f" <span class='hb-muted'>{escape(row['full_name'])}</span>" if row.get("full_name") else ""
        names = [one.name or one.code for one in known if one.area_id in row["areas"]]
        areas = f" <span class='hb-muted'>{escape(', '.join(names))}</span>"
        ui.html(f"{log} {pill(word(texts, row['role']), 'info')} {state}{named}{areas}", sanitize=False)
        if visitor.actor.may("admin") and row["name"] != visitor.actor.name:
            with ui.row().classes("gap-1"):
                ui.button(texts("Change the role…"), on_click=lambda: _role(visitor, row, known)).props(
                    "no-caps flat dense"
                )
                ui.button(texts("New password…"), on_click=lambda: _password(visitor, row["name"])).props(
                    "no-caps flat dense"
                )
                ui.button(texts("Unlock") if off else texts("Lock"), on_click=switch).props("no-caps outline dense")


async def _carried_out(visitor: Visitor, what: str, *values: Any, **named: Any) -> bool:
    """Call a service of the people's room in one transaction, tell a refusal, and show the page anew."""
    try:
        async with visitor.connection() as connection:
            await getattr(service, what)(connection, visitor.actor, *values, **named)
    except IngestError as error:
        warn(visitor.texts, error)
        return False
    ui.navigate.to("/people")
    return True


def _password(visitor: Visitor, name: str) -> None:
    texts = visitor.texts

    async def done() -> bool:
        return await _carried_out(visitor, "change_person", name, password=password.value or "")

    with dialog(texts, texts("New password of {name}", name=name), done, confirm=texts("Save")):
        password = ui.input(texts("Password"), password=True).props("autocomplete=new-password").classes("w-full")
        ui.label(texts("At least 10 characters. The person is logged out everywhere.")).classes("hb-muted text-sm")


def _role(visitor: Visitor, row: dict[str, Any], known: Sequence[Area]) -> None:
    texts = visitor.texts

    async def done() -> bool:
        return await _carried_out(visitor, "change_person", row["name"], role=str(role.value), areas=list(areas.value))

    with dialog(texts, texts("Role of {name}", name=row["name"]), done, confirm=texts("Save")):
        role = _role_select(visitor, row["role"])
        areas = _area_select(visitor, known, [one.code for one in known if one.area_id in row["areas"]])


def _area_select(visitor: Visitor, known: Sequence[Area], chosen: Sequence[str] = ()) -> ui.select:
    """Which areas a person or key sees; none are all of them, which who sees some can't give."""
    label = visitor.texts("Areas (none: all)") if visitor.actor.areas is None else visitor.texts("Areas")
    options = {one.code: one.name or one.code for one in known}
    return (
        ui.select(options, label=label, value=list(chosen), multiple=True)
        .props("use-chips options-dense")
        .classes("w-full")
    )


def _add_person(visitor: Visitor, known: Sequence[Area]) -> None:
    texts = visitor.texts

    async def done() -> bool:
        return await _carried_out(
            visitor, "add_person", (name.value or "").strip(), role.value, password.value or None,
            language=texts.language, areas=list(areas.value),
        )  # fmt: skip

    with dialog(texts, texts("Add a person"), done, confirm=texts("Save")):
        name = ui.input(texts("Name")).classes("w-full")
        role = _role_select(visitor)
        areas = _area_select(visitor, known)
        password = ui.input(texts("Password"), password=True).props("autocomplete=new-password").classes("w-full")


def _role_select(visitor: Visitor, present: str = "technician") -> ui.select:
    texts = visitor.texts
    roles = {role: word(texts, role) for role in ROLES}
    return ui.select(roles, label=texts("Role"), value=present).classes("w-full")


def _key(visitor: Visitor, row: dict[str, Any]) -> None:
    texts, over = visitor.texts, row["revoked_at"] is not None

    async def revoke() -> None:
        await _carried_out(visitor, "revoke_key", row["api_key_id"])

    with item_row():
        with ui.element("div"):
            ui.label(f"{row['name']} · {row['prefix']}… · {word(texts, row['role'])}").classes("font-semibold")
            ends = texts("until {moment}", moment=texts.moment(row["expires_at"])) if row["expires_at"] else ""
            told = (ends, texts("revoked") if over else "", ", ".join(row["scopes"] or []))
            ui.label(" · ".join(filter(None, told))).classes("hb-muted text-sm")
        if not over:
            ui.button(texts("Revoke"), on_click=revoke).props("no-caps outline dense")


def _add_key(visitor: Visitor, known: Sequence[Area]) -> None:
    texts = visitor.texts
    with ui.dialog(value=True).props("persistent") as box, ui.card().classes("hb-dialog"):
        box.props["aria-label"] = texts("Add a key")
        ui.label(texts("Add a key")).classes("text-lg font-semibold")
        name = ui.input(texts("Name")).classes("w-full")
        role = _role_select(visitor, "billing")
        scopes = ui.select(list(SCOPES), label=texts("Only for (empty: all the role allows)"), multiple=True).props(
            "use-chips options-dense"
        )
        scopes.classes("w-full")
        areas = _area_select(visitor, known)
        days = ui.number(texts("Valid for days"), value=365, min=1, max=3650, precision=0).classes("w-full")
        shown = ui.label("").classes("hb-hex w-full")
        shown.set_visibility(False)

        async def done() -> None:
            expires = visitor.parts.clock.now() + timedelta(days=int(days.value or 365))
            try:
                async with visitor.connection() as connection:
                    _, key = await service.add_key(
                        connection, visitor.actor, (name.value or "").strip(), str(role.value),
                        scopes=list(scopes.value or []), areas=list(areas.value), expires_at=expires,
                    )  # fmt: skip
            except IngestError as error:
                warn(texts, error)
                return
            ui.notify(texts("The key is shown this once: copy it now."), type="warning")
            shown.set_text(key)
            shown.set_visibility(True)
            save.disable()

        with ui.row().classes("justify-end w-full"):
            ui.button(texts("Close"), on_click=lambda: ui.navigate.to("/people")).props("no-caps flat")
            save = ui.button(texts("Save"), on_click=done).props("no-caps unelevated")


async def _verify(visitor: Visitor) -> None:
    """Walk the audit log's chain in a thread; tell whether a line was changed or is missing."""
    texts, url = visitor.texts, visitor.parts.settings.database_url
    assert url is not None

    def verified() -> audit.ChainReport:
        with psycopg.connect(url) as connection:
            return audit.verify_chain(connection)

    found = await asyncio.to_thread(verified)
    if found.broken_at is None:
        ui.notify(
            texts("The chain is whole: {n} entries, each follows the one before.", n=texts.number(found.entries)),
            type="positive", timeout=8_000,
        )  # fmt: skip
    else:
        message = texts("The chain is broken at entry {n}: tell the operator.", n=found.broken_at)
        ui.notify(message, type="negative", timeout=0, close_button=texts("Close"))


def _log(visitor: Visitor, rows: list[dict[str, Any]], person: str) -> None:
    texts = visitor.texts
    with card(texts("Audit log") + (f" · {person}" if person else "")):
        if not rows:
            empty(texts("Nothing is recorded here."))
            return
        grid(
            [
                (texts("When"), "text"), (texts("Who"), "text"), (texts("What"), "text"), (texts("Thing"), "text"),
                (texts("Hash"), "text"),
            ],
            [
                (
                    texts.moment(row["at"]), actor_text(texts, row["actor"]),
                    word(texts, row["action"], AUDIT_ACTIONS), row["subject"],
                    Html(f"<code>{row['hash'][:12]}</code>"),
                )
                for row in rows
            ],
            caption=texts("Audit log"),
        )  # fmt: skip
        with ui.element("div").classes("hb-tools"):
            if len(rows) == PAGE:
                older = f"/people?before={rows[-1]['audit_id']}&person={quote(person)}"
                ui.html(link(texts("older") + " →", older), sanitize=False)
            ui.button(texts("Verify the chain"), icon="verified", on_click=lambda: _verify(visitor)).props(
                "no-caps outline dense"
            )
        ui.label(texts("Every line carries the hash of the one before: a changed or missing line shows.")).classes(
            "hb-muted text-sm"
        )
