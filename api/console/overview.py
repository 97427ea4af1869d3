"""The first page: is the fleet being read, what needs a person today, how are the areas doing."""

from datetime import timedelta

from nicegui import ui

from api.console.charts import rate_chart
from api.console.frame import Html, card, empty, figure, frame, grid, heading, link, severity_text
from api.console.names import kind_text
from api.console.session import Visitor
from ingest.store import overview
from ingest.store.evidence import top_alerts


async def overview_page(visitor: Visitor) -> None:
    """Figures, the reading rate of two days, today's heaviest alerts, the areas."""
    texts, now = visitor.texts, visitor.parts.clock.now()
    areas = visitor.actor.area_list
    hour = now.replace(minute=0, second=0, microsecond=0)
    async with visitor.connection() as connection:
        figures = await overview.fleet_figures(connection, now=now, areas=areas)
        hours = await overview.reading_rate_by_hour(connection, start=hour - timedelta(hours=48), end=hour, areas=areas)
        area_rows = await overview.area_figures(connection, now=now, areas=areas)
        run = await overview.last_run(connection)
        alerts = await top_alerts(connection, areas=areas, limit=8)
    with frame(visitor, texts("Overview"), current="/"):
        subtitle = texts("As of {moment}", moment=texts.moment(now))
        if run is not None:
            subtitle += " · " + texts("last assessment {moment}", moment=texts.moment(run["finished_at"]))
        heading(texts("The fleet today"), subtitle)
        with ui.element("div").classes("hb-figures"):
            _figures(visitor, figures)
        with ui.element("div").classes("hb-columns"):
            with card(texts("Meters read per hour, last two days")):
                if hours and figures.meters:
                    ui.echart(rate_chart(texts, hours)).classes("hb-chart")
                else:
                    empty(texts("No meter is installed yet: import points and meters, or adopt one under Intake."))
            with card(texts("Heaviest alerts")):
                if alerts:
                    grid(
                        [(texts("Point"), "text"), (texts("Kind"), "text"), (texts("At stake"), "number")],
                        [
                            (
                                Html(link(row["code"], f"/alerts/{row['alert_id']}")),
                                Html(f"{kind_text(texts, row['kind'])} {severity_text(texts, row['severity'])}"),
                                texts.at_stake(row["energy_at_stake_kwh"]),
                            )
                            for row in alerts
                        ],
                        caption=texts("Heaviest alerts"),
                    )
                else:
                    empty(texts("No open alerts. New ones appear after each assessment."))
        with card(texts("Reading areas")):
            _areas(visitor, area_rows)


def _figures(visitor: Visitor, figures: overview.FleetFigures) -> None:
    texts = visitor.texts
    rate = figures.reading_rate
    tone = "" if rate is None else "good" if rate >= 0.98 else "warn" if rate >= 0.9 else "bad"
    figure(
        texts("Reading rate, 24 h"),
        texts.percent(rate),
        note=texts("{read} of {all} meters", read=figures.meters_read, all=figures.meters),
        tone=tone,
        link="/lines" if visitor.actor.may("technician") else None,
    )
    figure(texts("Metering points"), texts.number(figures.points), link="/points")
    figure(
        texts("Open alerts"),
        texts.number(figures.open_alerts),
        note=texts("{n} critical", n=figures.critical_alerts),
        tone="bad" if figures.critical_alerts else "",
        link="/alerts" if visitor.actor.may("reviewer") else None,
    )
    figure(texts("Open incidents"), texts.number(figures.open_incidents))
    figure(
        texts("Gateways silent"),
        texts.number(figures.gateways_silent),
        note=texts("of {n}", n=figures.gateways),
        tone="warn" if figures.gateways_silent else "",
        link="/lines" if visitor.actor.may("technician") else None,
    )
    figure(
        texts("Quarantine"),
        texts.number(figures.quarantined),
        note=texts("{n} meters discovered", n=figures.discovered),
        link="/intake" if visitor.actor.may("technician") else None,
    )


def _areas(visitor: Visitor, rows: list[dict[str, object]]) -> None:
    texts = visitor.texts
    if not rows:
        empty(texts("No areas yet: they are made by importing points (heatbook import points points.csv)."))
        return
    columns = [
        (texts("Area"), "text"),
        (texts("Team"), "text"),
        (texts("Points"), "number"),
        (texts("Reading rate"), "number"),
        (texts("Open alerts"), "number"),
        (texts("Heat, last whole day"), "number"),
    ]
    cells = []
    for row in rows:
        meters, read = int(str(row["meters"])), int(str(row["meters_read"]))
        energy = row["energy_kwh"]
        cells.append(
            (
                Html(link(str(row["name"] or row["code"]), f"/points?area={row['area_id']}")),
                row["team"] or "–",
                texts.number(int(str(row["points"]))),
                texts.percent(read / meters if meters else None),
                texts.number(int(str(row["open_alerts"]))),
                texts.energy(float(str(energy)) if energy is not None else None, 0),
            )
        )
    grid(columns, cells, caption=texts("Reading areas"))
