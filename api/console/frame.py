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
    ("/lines", marked("Lines"), "technician"),
    ("/field", marked("Field work"), "technician"),
    ("/intake", marked("Intake"), "technician"),
    ("/billing", marked("Billing"), "figures"),
    ("/reports", marked("Reports"), "lead"),
    ("/rules", marked("Rules"), "reviewer"),
    ("/people", marked("People"), "lead"),
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
            _person_menu(visitor)
            menu = ui.button(icon="menu").props(f'flat dense color=white aria-label="{texts("Menu")}"').classes("lt-md")
            with menu, ui.menu():
                for address, text in entries:
                    ui.menu_item(text, on_click=lambda address=address: ui.navigate.to(address))
    with ui.element("main").classes("hb-main").props('id="main"'):
        yield


def _links(entries: Sequence[tuple[str, str]], current: str) -> None:
    for address, text in entries:
        mark = ' aria-current="page"' if address == current else ""
        ui.html(f'<a href="{address}"{mark}>{escape(text)}</a>', sanitize=False)


def _person_menu(visitor: Visitor) -> None:
    texts = visitor.texts
    with ui.button(visitor.actor.name, icon="account_circle").props("flat dense no-caps color=white"), ui.menu():
        for code, name in LANGUAGES.items():
            ui.menu_item(name, on_click=lambda code=code: ui.run_javascript(_cookie_script(LANGUAGE_COOKIE, code)))
        ui.separator()
        for unit in ("kWh", "GJ"):
            ui.menu_item(unit, on_click=lambda unit=unit: ui.run_javascript(_cookie_script(UNIT_COOKIE, unit)))
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


def grid(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], caption: str = "") -> None:
    """A plain table. `columns`: (title, "text" or "number"); cells are text (escaped) or `Html`."""
    head = "".join(f'<th scope="col" class="{kind}">{escape(title)}</th>' for title, kind in columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{columns[index][1]}">{cell if isinstance(cell, Html) else escape(str(cell))}</td>'
            for index, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    label = f' aria-label="{escape(caption)}"' if caption else ""
    ui.html(
        f'<div class="hb-scroll" tabindex="0" role="region"{label}><table class="hb-grid">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>",
        sanitize=False,
    ).classes("w-full")


def severity_text(texts: Texts, severity: str) -> Html:
    """The severity as a coloured label."""
    return Html(pill(word(texts, severity), severity))
