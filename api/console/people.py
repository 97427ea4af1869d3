"""People, keys and the audit log: who may do what, and who did what."""

from datetime import timedelta
from typing import Any

from nicegui import ui

from api.access import ROLES
from api.console.frame import Html, card, empty, frame, grid, heading, link, pill
from api.console.session import Visitor
from api.console.words import word
from api.people import service
from ingest.errors import IngestError

PAGE = 100


async def people_page(visitor: Visitor, *, before: int | None = None, person: str = "") -> None:
    """A lead sees people and the log; an administrator changes people and keys as well."""
    texts, admin = visitor.texts, visitor.actor.may("admin")
    async with visitor.connection() as connection:
        everyone = await service.everyone(connection, visitor.actor)
        keys = await service.keys(connection, visitor.actor) if admin else []
        log = await service.audit_entries(
            connection, visitor.actor, before=before, person=person[:100] or None, limit=PAGE
        )
    with frame(visitor, texts("People"), current="/people"):
        heading(texts("People and keys") if admin else texts("People"))
        with card(texts("People")):
            for row in everyone:
                _person(visitor, row)
            if admin:
                ui.button(texts("Add a person…"), icon="person_add", on_click=lambda: _add_person(visitor)).props(
                    "no-caps unelevated"
                )
        if admin:
            with card(texts("Keys of machines")):
                if not keys:
                    empty(texts("No key yet: a billing system or a gateway gets its own one here."))
                for row in keys:
                    _key(visitor, row)
                ui.button(texts("Add a key…"), icon="vpn_key", on_click=lambda: _add_key(visitor)).props(
                    "no-caps unelevated"
                )
        _log(visitor, log, person)


def _person(visitor: Visitor, row: dict[str, Any]) -> None:
    texts, off = visitor.texts, row["disabled_at"] is not None

    async def switch() -> None:
        await _carried_out(visitor, "change_person", row["name"], disabled=not off)

    with ui.row().classes("w-full items-center justify-between").style("border-bottom:1px solid #eaeff3"):
        state = pill(texts("locked"), "critical") if off else ""
        log = link(row["name"], f"/people?person={row['name']}")
        ui.html(f"{log} {pill(word(texts, row['role']), 'info')} {state}", sanitize=False)
        if visitor.actor.may("admin") and row["name"] != visitor.actor.name:
            with ui.row().classes("gap-1"):
                ui.button(texts("New password…"), on_click=lambda: _password(visitor, row["name"])).props(
                    "no-caps flat dense"
                )
                ui.button(texts("Unlock") if off else texts("Lock"), on_click=switch).props("no-caps outline dense")


async def _carried_out(visitor: Visitor, what: str, *values: Any, **named: Any) -> Any:
    """Call a service of the people's room in one transaction, tell a refusal, and show the page anew."""
    try:
        async with visitor.connection() as connection:
            result = await getattr(service, what)(connection, visitor.actor, *values, **named)
    except IngestError as error:
        ui.notify(error.message, type="negative")
        return None
    if what != "add_key":
        ui.navigate.to("/people")
    return result


def _password(visitor: Visitor, name: str) -> None:
    texts = visitor.texts
    with ui.dialog(value=True) as dialog, ui.card().classes("w-96"):
        ui.label(texts("New password of {name}", name=name)).classes("text-lg font-semibold")
        password = ui.input(texts("Password"), password=True).props("autocomplete=new-password").classes("w-full")

        async def done() -> None:
            dialog.close()
            await _carried_out(visitor, "change_person", name, password=password.value or "")

        _buttons(visitor, dialog, done)


def _add_person(visitor: Visitor) -> None:
    texts = visitor.texts
    with ui.dialog(value=True) as dialog, ui.card().classes("w-96"):
        ui.label(texts("Add a person")).classes("text-lg font-semibold")
        name = ui.input(texts("Name")).classes("w-full")
        role = _role_select(visitor)
        areas = ui.input(texts("Areas (codes, with commas; empty: all)")).classes("w-full")
        password = ui.input(texts("Password"), password=True).props("autocomplete=new-password").classes("w-full")

        async def done() -> None:
            dialog.close()
            codes = [code.strip() for code in (areas.value or "").split(",") if code.strip()]
            await _carried_out(
                visitor, "add_person", (name.value or "").strip(), role.value, password.value or None,
                language=texts.language, areas=codes,
            )  # fmt: skip

        _buttons(visitor, dialog, done)


def _role_select(visitor: Visitor) -> Any:
    texts = visitor.texts
    return ui.select({role: word(texts, role) for role in ROLES}, label=texts("Role"), value="technician").classes(
        "w-full"
    )


def _buttons(visitor: Visitor, dialog: Any, done: Any) -> None:
    with ui.row().classes("justify-end w-full"):
        ui.button(visitor.texts("Cancel"), on_click=dialog.close).props("no-caps flat")
        ui.button(visitor.texts("Save"), on_click=done).props("no-caps unelevated")


def _key(visitor: Visitor, row: dict[str, Any]) -> None:
    texts, over = visitor.texts, row["revoked_at"] is not None

    async def revoke() -> None:
        await _carried_out(visitor, "revoke_key", row["api_key_id"])

    with ui.row().classes("w-full items-center justify-between").style("border-bottom:1px solid #eaeff3"):
        with ui.element("div"):
            ui.label(f"{row['name']} · {row['prefix']}… · {word(texts, row['role'])}").classes("font-semibold")
            ends = texts("until {moment}", moment=texts.moment(row["expires_at"])) if row["expires_at"] else ""
            told = (ends, texts("revoked") if over else "", ", ".join(row["scopes"] or []))
            ui.label(" · ".join(filter(None, told))).classes("hb-muted text-sm")
        if not over:
            ui.button(texts("Revoke"), on_click=revoke).props("no-caps outline dense")


def _add_key(visitor: Visitor) -> None:
    texts = visitor.texts
    with ui.dialog(value=True).props("persistent"), ui.card().classes("w-96"):
        ui.label(texts("Add a key")).classes("text-lg font-semibold")
        name = ui.input(texts("Name")).classes("w-full")
        role = _role_select(visitor)
        days = ui.number(texts("Valid for days"), value=365, min=1, max=3650, precision=0).classes("w-full")
        shown = ui.label("").classes("hb-hex w-full")

        async def done() -> None:
            expires = visitor.parts.clock.now() + timedelta(days=int(days.value or 365))
            made = await _carried_out(visitor, "add_key", (name.value or "").strip(), role.value, expires_at=expires)
            if made is not None:
                ui.notify(texts("The key is shown this once: copy it now."), type="warning")
                shown.set_text(made[1])
                save.disable()

        with ui.row().classes("justify-end w-full"):
            ui.button(texts("Close"), on_click=lambda: ui.navigate.to("/people")).props("no-caps flat")
            save = ui.button(texts("Save"), on_click=done).props("no-caps unelevated")


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
                    texts.moment(row["at"]), row["actor"], row["action"], row["subject"],
                    Html(f"<code>{row['hash'][:12]}</code>"),
                )
                for row in rows
            ],
            caption=texts("Audit log"),
        )  # fmt: skip
        if len(rows) == PAGE:
            ui.html(link(texts("older"), f"/people?before={rows[-1]['audit_id']}"), sanitize=False)
        ui.label(
            texts("Every line carries the hash of the one before: `heatbook users verify-audit` checks the chain.")
        ).classes("hb-muted text-sm")
