"""The map: buildings and their points, coloured by alerts, comms or state; shapes that need no Internet.

Rules: without a tile address (HEATBOOK_MAP_TILES) the ground stays plain and nothing is asked from anywhere; the data
come from this console with the person's session; what the map tells stands in a table below it too.
"""

import json
from typing import Any, Final

from fastapi import Request
from nicegui import ui
from starlette.responses import Response

from api.console.frame import Html, card, empty, frame, grid, heading, link, tabs
from api.console.names import state_text
from api.console.point_state import POINT_STATES
from api.console.session import Visitor, visitor_of
from api.console.texts import Texts, marked
from api.context import Context
from ingest.store import areas as area_store
from ingest.store.map_points import map_points

DATA_PATH: Final = "/console-data/map"
WORST: Final = 30
_GOOD, _INFO, _WARN, _BAD, _NONE = "#2f8f5b", "#3d7ea6", "#e0962b", "#c1372b", "#9aa7b2"
# mode: (title, [(text, colour) by value])
MODES: Final[dict[str, tuple[str, tuple[tuple[str, str], ...]]]] = {
    "alerts": (
        marked("Alerts"),
        (
            (marked("no alert"), _GOOD), (marked("info"), _INFO), (marked("warning"), _WARN),
            (marked("critical"), _BAD),
        ),
    ),
    "comms": (
        marked("Comms"),
        (
            (marked("heard within a day"), _GOOD), (marked("heard within a week"), _WARN), (marked("silent"), _BAD),
            (marked("without a meter"), _NONE),
        ),
    ),
    "state": (
        marked("State"),
        (
            (marked("active"), _GOOD), (marked("heating suspended"), "#6b4fa0"), (marked("vacant"), _WARN),
            (marked("closed"), _NONE),
        ),
    ),
}  # fmt: skip


async def map_page(visitor: Visitor, *, area: str = "", mode: str = "alerts") -> None:
    """One area's buildings on a map, or all of them."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    mode = mode if mode in MODES else "alerts"
    async with visitor.connection() as connection:
        known = await area_store.areas(connection)
        visible = [one for one in known if visitor.actor.sees(one.area_id)]
        chosen = area or (visible[0].code if visible else "")
        wanted = None if chosen == "all" else chosen
        rows = await map_points(connection, now=now, areas=visitor.actor.area_list, area=wanted)
    placed = [row for row in rows if row["latitude"] is not None and row["longitude"] is not None]
    with frame(visitor, texts("Map"), current="/map"):
        heading(texts("Map"), texts("{n} points", n=texts.number(len(rows))))
        _choices(texts, [*((one.code, one.name) for one in visible), ("all", texts("all"))], chosen, mode)
        if not placed:
            empty(texts("No point has a place yet: import points with latitude and longitude."))
        else:
            _map(visitor, chosen, mode)
            missing = len(rows) - len(placed)
            if missing:
                ui.label(texts("{n} points have no place and are not drawn.", n=texts.number(missing))).classes(
                    "hb-muted"
                )
        _worst(visitor, rows)


def _choices(texts: Texts, areas: list[tuple[str, str]], chosen: str, mode: str) -> None:
    with ui.element("div").classes("hb-tools hb-no-print justify-between w-full"):
        tabs(
            [(f"/map?area={code}&mode={mode}", name) for code, name in areas],
            f"/map?area={chosen}&mode={mode}",
            texts("Area"),
        )
        tabs(
            [(f"/map?area={chosen}&mode={name}", texts(title)) for name, (title, _) in MODES.items()],
            f"/map?area={chosen}&mode={mode}", texts("Colour by"),
        )  # fmt: skip


def _map(visitor: Visitor, area: str, mode: str) -> None:
    texts, settings = visitor.texts, visitor.parts.settings
    legend = "".join(f'<span><i style="background:{color}"></i>{texts(text)}</span>' for text, color in MODES[mode][1])
    ui.html(f'<div class="hb-legend">{legend}</div>', sanitize=False)
    options = {"preferCanvas": True, "attributionControl": bool(settings.map_tiles), "zoomSnap": 0.5, "maxZoom": 19}
    chart = ui.leaflet(center=(0.0, 0.0), zoom=2, options=options).classes("hb-map")
    chart.props["role"] = "region"
    chart.props["aria-label"] = texts("Map of the buildings; the table below says the same")
    chart.clear_layers()  # the wrapper's own ground comes from the Internet
    if settings.map_tiles:
        chart.tile_layer(
            url_template=settings.map_tiles, options={"attribution": settings.map_attribution, "maxZoom": 19}
        )
    told = {
        "url": f"{DATA_PATH}?area={area}",
        "mode": mode,
        "tiles": bool(settings.map_tiles),
        "outlined": area != "all",
        "colors": {name: [color for _, color in values] for name, (_, values) in MODES.items()},
        "words": {
            "points": texts("{n} points"), "alerts": texts("Alerts of this building"),
            "list": texts("Points of this building"), "meaning": [texts(text) for text, _ in MODES[mode][1]],
        },
    }  # fmt: skip
    ui.add_body_html('<script src="/console-static/map.js" defer></script>')
    chart.on("init", js_handler=f"() => window.heatbookMap(getElement({chart.id}).map, {json.dumps(told)})")


def _worst(visitor: Visitor, rows: list[dict[str, Any]]) -> None:
    """Buildings with most that is wrong, for those who read rather than look."""
    texts = visitor.texts
    buildings: dict[str, list[int]] = {}
    for row in rows:
        tally = buildings.setdefault(row["building"] or row["code"], [0, 0, 0, 0])
        tally[0] += row["severity"] == 3
        tally[1] += row["alerts"]
        tally[2] += row["comms"] == 2
        tally[3] += 1
    worst = sorted((item for item in buildings.items() if item[1][1] or item[1][2]), key=lambda item: item[1][:3])
    with card(texts("Buildings that need a look")):
        if not worst:
            empty(texts("No alert and no silent meter here."))
            return
        open_alerts = visitor.actor.may("reviewer")
        grid(
            [
                (texts("Building"), "text"), (texts("Points"), "number"), (texts("critical"), "number"),
                (texts("Alerts"), "number"), (texts("Silent"), "number"),
            ],
            [
                (
                    Html(link(name, f"/alerts?building={name}" if open_alerts else f"/points?text={name}")),
                    texts.number(points), texts.number(critical), texts.number(alerts), texts.number(silent),
                )
                for name, (critical, alerts, silent, points) in worst[::-1][:WORST]
            ],
            caption=texts("Buildings that need a look"),
        )  # fmt: skip


async def map_data(request: Request, parts: Context) -> Response:
    """What the map draws, for the person behind the session: [code, building, latitude, longitude, then one number a
    mode, alerts]."""
    visitor = await visitor_of(request, parts)
    if visitor is None:
        return Response(status_code=401)
    area = request.query_params.get("area") or None
    async with visitor.connection() as connection:
        rows = await map_points(
            connection, now=parts.clock.now(), areas=visitor.actor.area_list, area=None if area == "all" else area
        )
    points = [
        [
            row["code"], row["building"], row["latitude"], row["longitude"],
            row["severity"], row["comms"], _state_number(row["state"]), row["alerts"],
            state_text(visitor.texts, row["state"]),
        ]
        for row in rows
        if row["latitude"] is not None and row["longitude"] is not None
    ]  # fmt: skip
    body = json.dumps({"points": points}, ensure_ascii=False, separators=(",", ":"))
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})


def _state_number(state: str) -> int:
    return POINT_STATES.index(state) if state in POINT_STATES else 0
