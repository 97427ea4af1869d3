"""What a person sees when a page fails: what to do next, and nothing of the service's inside."""

import psycopg
import structlog
from fastapi import Request
from nicegui import Client, ui
from psycopg_pool import PoolTimeout
from starlette.responses import Response

from api.console.frame import empty, heading
from api.console.refusals import BY_CODE
from api.console.session import texts_of
from api.console.texts import marked
from api.context import Context

_log = structlog.get_logger(__name__)
_UNKNOWN = marked("Load the page again. If it stays like this, tell the operator: the service's log tells why.")


def failure_page(parts: Context, error: Exception) -> None:
    """Content of a page that failed, in the reader's language; the log gets the error itself."""
    request = ui.context.client.request
    _log.error("page failed", path=request.url.path, error=repr(error))
    away = isinstance(error, psycopg.OperationalError | PoolTimeout)
    _say(parts, request, marked("This page cannot be shown just now"), BY_CODE["database.away"] if away else _UNKNOWN)


def missing_page(parts: Context, request: Request) -> Response:
    """The answer to an address that is none."""
    with Client(ui.page(""), request=request) as client:
        _say(parts, request, marked("There is no such page"), marked("Choose a page from the overview."))
        return client.build_response(request, 404)


def _say(parts: Context, request: Request, title: str, told: str) -> None:
    texts = texts_of(request, parts)
    ui.page_title(f"{texts(title)} · Heatbook")
    ui.query("html").props(f'lang="{"zh-CN" if texts.language == "zh" else "en"}"')
    with ui.element("div").classes("hb-main").props('id="main"'):
        heading(texts(title))
        empty(texts(told))
        ui.link(texts("Overview"), "/").classes("hb-link")
