"""Addresses of the console's pages: each finds its visitor, or leads to the log-in page."""

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from nicegui import app as nicegui_app
from nicegui import ui

from api.access import COOKIE
from api.console.alert import alert_page
from api.console.approvals import approvals_page
from api.console.billing import billing_page, period_page
from api.console.commission import commission_page
from api.console.failure import failure_page, missing_page
from api.console.field import entry_page, exchange_page, field_page
from api.console.frame import empty, frame, heading
from api.console.intake import intake_page
from api.console.lines import line_page, lines_page
from api.console.login import login_page
from api.console.map import DATA_PATH, map_data, map_page
from api.console.notifications import notifications_page
from api.console.overview import overview_page
from api.console.people import people_page
from api.console.points import point_page
from api.console.points_list import points_page
from api.console.quantity import quantity_page
from api.console.queue import queue_page
from api.console.refusals import told
from api.console.report_page import report_page
from api.console.reports import reports_page, sample_page
from api.console.rounds import campaign_page, route_page
from api.console.rules import rules_page, trial_page
from api.console.session import Visitor, texts_of, to_login, visitor_of
from api.context import Context
from ingest.errors import ForbiddenError, NotFoundError

_STATIC = Path(__file__).parent / "static"
# A page that computes a whole period may take longer than NiceGUI's three seconds on a busy machine.
_PATIENCE_S = 30.0


def _page(path: str) -> ui.page:
    return ui.page(path, response_timeout=_PATIENCE_S)


def mount(app: FastAPI) -> None:
    """Put the console's pages on an application made by `api.app.create_app`."""
    parts: Context = app.state.heatbook
    nicegui_app.add_static_files("/console-static", _STATIC)
    ui.add_head_html('<link rel="stylesheet" href="/console-static/console.css">', shared=True)
    _pages(parts)
    nicegui_app.on_page_exception(lambda error: failure_page(parts, error))
    nicegui_app.add_exception_handler(404, lambda request, _: missing_page(parts, request))
    # The few utility classes that pages use stand in console.css: a compiler of styles in every browser costs each page
    # more than all of our own elements.
    ui.run_with(app, title="Heatbook", favicon="🔥", show_welcome_message=False, reconnect_timeout=60.0, tailwind=False)


async def _shown(
    request: Request, parts: Context, audience: str, page: Callable[[Visitor], Awaitable[None]]
) -> Response | None:
    visitor = await visitor_of(request, parts)
    if visitor is None:
        return to_login(request)
    texts = visitor.texts
    try:
        visitor.actor.require(audience)
        await page(visitor)
    except (ForbiddenError, NotFoundError) as error:
        with frame(visitor, texts("Not here"), current=""):
            heading(texts("Not here"))
            empty(texts("This page is not open to you: {reason}.", reason=told(texts, error)))
    return None


def _pages(parts: Context) -> None:
    @_page("/login")
    async def login(request: Request) -> None:
        asked, settings = request.query_params, parts.settings
        provider = settings.oidc_name if settings.oidc_issuer else None
        following, refused = asked.get("next", "/"), asked.get("refused", "")
        login_page(texts_of(request, parts), provider=provider, following=following, refused=refused)

    @_page("/")
    async def overview(request: Request) -> Response | None:
        return await _shown(request, parts, "reader", overview_page)

    @_page("/points")
    async def points(request: Request, text: str = "", area: int | None = None, page: int = 1) -> Response | None:
        return await _shown(
            request, parts, "reader", lambda visitor: points_page(visitor, text=text[:200], area_id=area, page=page)
        )

    @_page("/points/{code}")
    async def point(
        request: Request, code: str, days: int = 30, service: int | None = None, hourly: bool = False
    ) -> Response | None:
        return await _shown(
            request,
            parts,
            "reader",
            lambda visitor: point_page(visitor, code, days=days, service=service, hourly=hourly),
        )

    @_page("/alerts")
    async def alerts(request: Request) -> Response | None:
        return await _shown(request, parts, "reviewer", lambda visitor: queue_page(visitor, request.query_params))

    @_page("/alerts/{alert_id}")
    async def alert(request: Request, alert_id: int) -> Response | None:
        return await _shown(request, parts, "reader", lambda visitor: alert_page(visitor, alert_id))

    @_page("/lines")
    async def lines(request: Request) -> Response | None:
        return await _shown(request, parts, "technician", lines_page)

    @_page("/lines/{code}")
    async def line(request: Request, code: str) -> Response | None:
        return await _shown(request, parts, "technician", lambda visitor: line_page(visitor, code))

    @_page("/intake")
    async def intake(request: Request, code: str | None = None) -> Response | None:
        return await _shown(request, parts, "technician", lambda visitor: intake_page(visitor, code=code))

    @_page("/billing")
    async def billing(request: Request) -> Response | None:
        return await _shown(request, parts, "figures", billing_page)

    @_page("/billing/periods/{code}")
    async def period(request: Request, code: str, state: str = "", point: str = "") -> Response | None:
        return await _shown(
            request, parts, "figures", lambda visitor: period_page(visitor, code, state=state, point=point)
        )

    @_page("/billing/quantities/{quantity_id}")
    async def quantity(request: Request, quantity_id: int) -> Response | None:
        return await _shown(request, parts, "figures", lambda visitor: quantity_page(visitor, quantity_id))

    @_page("/reports")
    async def reports(request: Request) -> Response | None:
        return await _shown(request, parts, "lead", reports_page)

    @_page("/reports/{kind}")
    async def report(request: Request, kind: Literal["month", "quarter"], day: date | None = None) -> Response | None:
        chosen = day or parts.clock.now().date()
        return await _shown(request, parts, "lead", lambda visitor: report_page(visitor, kind, chosen))

    @_page("/reports/samples/{sample_id}")
    async def sample(request: Request, sample_id: int) -> Response | None:
        return await _shown(request, parts, "lead", lambda visitor: sample_page(visitor, sample_id))

    @_page("/people")
    async def people(request: Request, before: int | None = None, person: str = "") -> Response | None:
        return await _shown(request, parts, "lead", lambda visitor: people_page(visitor, before=before, person=person))

    @_page("/notifications")
    async def notifications(request: Request, rule: int | None = None) -> Response | None:
        return await _shown(request, parts, "admin", lambda visitor: notifications_page(visitor, rule=rule))

    @_page("/rules")
    async def rules(request: Request, group: str = "default") -> Response | None:
        return await _shown(request, parts, "reviewer", lambda visitor: rules_page(visitor, group=group[:60]))

    @_page("/rules/trials/{trial_id}")
    async def trial(request: Request, trial_id: int) -> Response | None:
        return await _shown(request, parts, "reviewer", lambda visitor: trial_page(visitor, trial_id))

    _field_pages(parts)

    @_page("/approvals")
    async def approvals(request: Request) -> Response | None:
        return await _shown(request, parts, "reviewer", approvals_page)

    @_page("/map")
    async def map_(request: Request, area: str = "", mode: str = "alerts") -> Response | None:
        return await _shown(request, parts, "reader", lambda visitor: map_page(visitor, area=area[:100], mode=mode))

    @nicegui_app.get(DATA_PATH, include_in_schema=False)
    async def map_points(request: Request) -> Response:
        return await map_data(request, parts)

    @nicegui_app.get("/logout", include_in_schema=False)
    async def logout(request: Request) -> RedirectResponse:
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE)
        return answer


def _field_pages(parts: Context) -> None:
    @_page("/field")
    async def field(request: Request) -> Response | None:
        return await _shown(request, parts, "technician", field_page)

    @_page("/field/entry")
    async def entry(request: Request, serial: str = "", kind: str = "reading") -> Response | None:
        return await _shown(request, parts, "technician", lambda visitor: entry_page(visitor, serial[:64], kind))

    @_page("/field/exchange")
    async def exchange(request: Request, point: str = "") -> Response | None:
        return await _shown(request, parts, "technician", lambda visitor: exchange_page(visitor, point[:200]))

    @_page("/field/commission")
    async def commission(request: Request, serial: str = "") -> Response | None:
        return await _shown(request, parts, "technician", lambda visitor: commission_page(visitor, serial[:64]))

    @_page("/field/routes/{area}")
    async def route(request: Request, area: str, only: str = "") -> Response | None:
        return await _shown(request, parts, "technician", lambda visitor: route_page(visitor, area, only=only))

    @_page("/field/campaigns/{code}")
    async def campaign(request: Request, code: str, state: str = "open") -> Response | None:
        return await _shown(request, parts, "technician", lambda visitor: campaign_page(visitor, code, state=state))
