"""The frame around every page: header, navigation, language and unit switch; and the small parts pages are made of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from nicegui import ui

from api.console.session import LANGUAGE_COOKIE, UNIT_COOKIE, Visitor
from api.console.texts import LANGUAGES, Texts, marked
from api.console.words import word

# (address, text, audiences that see it)
NAVIGATION: tuple[tuple[str, str, str], ...] = (
    ("/", marked("Overview"), "reader"),
    ("/alerts", marked("Alerts"), "reviewer"),
    ("/points", marked("Points"), "reader"),
    ("/map", marked("Map"), "reader"),
    ("/lines", marked("Lines"), "technician"),
    ("/field", marked("Field work"), "technician"),
    ("/intake", marked("Intake"), "technician"),
    ("/billing", marked("Billing"), "figures"),
    ("/reports", marked("Reports"), "lead"),
    ("/rules", marked("Rules"), "reviewer"),
    ("/people", marked("People"), "lead"),
    ("/notifications", marked("Notifications"), "admin"),
)
_PALETTE = {
    "primary": "#12354d",
    "secondary": "#0b5a8a",
    "accent": "#b93a0e",
    "positive": "#1c7248",
    "negative": "#b3261e",
}


def _cookie_script(name: str, value: str) -> str:
    return f"document.cookie = '{name}={value}; path=/; max-age=31536000; samesite=lax'; location.reload()"


@contextmanager
def frame(visitor: Visitor, title: str, *, current: str) -> Iterator[None]:
    """Header, navigation and the page's main column; `current` is the navigation address that is marked."""
    texts = visitor.texts
    ui.page_title(f"{title} · Heatbook")
    ui.colors(**_PALETTE)
    ui.query("html").props(f'lang="{"zh-CN" if texts.language == "zh" else "en"}"')
    ui.html(f'<a class="hb-skip" href="#main">{escape(texts("Skip to content"))}</a>', sanitize=False)
    entries = [(address, texts(text)) for address, text, audience in NAVIGATION if visitor.actor.may(audience)]
    with ui.header().classes("hb-header items-center justify-between q-py-sm q-px-md no-wrap"):
        with ui.row().classes("items-center no-wrap gap-4"):
            ui.html('<a class="hb-brand" href="/">Heat<span>book</span></a>', sanitize=False)
            with ui.element("nav").classes("hb-nav gt-sm row no-wrap").props(f'aria-label="{texts("Main")}"'):
                _links(entries, current)
        with ui.row().classes("items-center no-wrap gap-1"):
            language_switch(texts)
            _person_menu(visitor)
            menu = ui.button(icon="menu").props(f'flat dense color=white aria-label="{texts("Menu")}"').classes("lt-md")
            with menu, ui.menu():
                for address, text in entries:
                    ui.menu_item(text, on_click=lambda address=address: ui.navigate.to(address))
    with ui.element("div").classes("hb-main").props('id="main"'):
        yield


def _links(entries: Sequence[tuple[str, str]], current: str) -> None:
    for address, text in entries:
        mark = ' aria-current="page"' if address == current else ""
        ui.html(f'<a href="{address}"{mark}>{escape(text)}</a>', sanitize=False)


def language_switch(texts: Texts) -> None:
    """A button that names the other language in that language."""
    other = next(code for code in LANGUAGES if code != texts.language)
    code = {"zh": "zh-CN"}.get(other, other)
    ui.html(
        f'<button type="button" class="hb-language" lang="{code}"'
        f' onclick="{escape(_cookie_script(LANGUAGE_COOKIE, other))}">{LANGUAGES[other]}</button>',
        sanitize=False,
    )


def _person_menu(visitor: Visitor) -> None:
    texts = visitor.texts
    with ui.button(visitor.actor.name, icon="account_circle").props("flat dense no-caps color=white"), ui.menu():
        ui.item_label(word(texts, visitor.actor.role)).props("header")
        for unit in ("kWh", "GJ"):
            chosen = " ✓" if unit == texts.energy_unit else ""
            ui.menu_item(
                texts("Energy in {unit}", unit=unit) + chosen,
                on_click=lambda unit=unit: ui.run_javascript(_cookie_script(UNIT_COOKIE, unit)),
            )
        ui.separator()
        ui.menu_item(texts("Log out"), on_click=lambda: ui.navigate.to("/logout"))


def heading(title: str, subtitle: str = "") -> None:
    """The page's one first-level heading."""
    with ui.element("div"):
        ui.html(f'<h1 class="hb-title">{escape(title)}</h1>', sanitize=False)
        if subtitle:
            ui.label(subtitle).classes("hb-subtitle")


@contextmanager
def card(title: str = "") -> Iterator[None]:
    """A white box with an optional second-level heading."""
    with ui.element("section").classes("hb-card"):
        if title:
            ui.html(f"<h2>{escape(title)}</h2>", sanitize=False)
        yield


def figure(label: str, value: str, *, note: str = "", link: str | None = None, tone: str = "") -> None:
    """One headline figure, a link where it leads somewhere."""
    tag = "a" if link else "div"
    target = f' href="{escape(link)}"' if link else ""
    tone_class = f" hb-{tone}" if tone else ""
    ui.html(
        f'<{tag} class="hb-figure"{target}><div class="label">{escape(label)}</div>'
        f'<div class="value{tone_class}">{escape(value)}</div>'
        f'<div class="note">{escape(note)}</div></{tag}>',
        sanitize=False,
    )


def empty(message: str) -> None:
    """What a list shows when there is nothing: always what to do next."""
    ui.label(message).classes("hb-empty")


def pill(text: str, tone: str) -> str:
    """HTML of a small coloured label."""
    return f'<span class="hb-pill {escape(tone)}">{escape(text)}</span>'


def link(text: str, address: str) -> str:
    """HTML of a link."""
    return f'<a class="hb-link" href="{escape(address)}">{escape(text)}</a>'


class Html(str):
    """Text that is already HTML: cells of that type are not escaped again."""

    __slots__ = ()


@contextmanager
def item_row() -> Iterator[None]:
    """One line of a list of things: what it is on the left, what can be done with it on the right."""
    with ui.element("div").classes("hb-row"):
        yield


def tabs(entries: Sequence[tuple[str, str]], current: str, label: str) -> None:
    """Links of which one is where the reader is. `entries`: (address, text)."""
    here = ' aria-current="true"'
    body = "".join(
        f'<a href="{escape(address)}"{here if address == current else ""}>{escape(text)}</a>'
        for address, text in entries
    )
    ui.html(f'<nav class="hb-tabs" aria-label="{escape(label)}">{body}</nav>', sanitize=False)


# Tables of at least so many columns become cards on a phone.
_CARDS_FROM = 4


def grid(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], caption: str = "") -> None:
    """A plain table, on a phone one card a row. `columns`: (title, "text" or "number"); cells are text (escaped) or
    `Html`."""
    cards = len(columns) >= _CARDS_FROM
    head = "".join(
        f'<th scope="col" role="columnheader" class="{kind}">{escape(title)}</th>' for title, kind in columns
    )
    body = "".join(
        '<tr role="row">' + "".join(_cell(columns[at], cell, first=at == 0) for at, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    label = f' aria-label="{escape(caption)}"' if caption else ""
    ui.html(
        f'<div class="hb-scroll" tabindex="0" role="region"{label}>'
        f'<table role="table" class="hb-grid{" hb-cards" if cards else ""}"><thead role="rowgroup">'
        f'<tr role="row">{head}</tr></thead><tbody role="rowgroup">{body}</tbody></table></div>',
        sanitize=False,
    ).classes("w-full")


def _cell(column: tuple[str, str], cell: Any, *, first: bool) -> str:
    title, kind = column
    shown = cell if isinstance(cell, Html) else escape(str(cell))
    # An empty cell takes no room in a card.
    classes = kind + (" none" if shown in ("", "–") else "")
    label = "" if first else f' data-label="{escape(title)}"'
    return f'<td role="cell" class="{classes}"{label}>{shown}</td>'


def severity_text(texts: Texts, severity: str) -> Html:
    """The severity as a coloured label."""
    return Html(pill(word(texts, severity), severity))
