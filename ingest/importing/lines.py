"""`states.csv`, `gateways.csv` and `links.csv`: how points were used over time, and how meters are reached.

Columns: point, state, from (empty in a point's first row: since ever); gateway, kind, address, area, bus, baud_rate,
schedule_s, latitude, longitude; serial, manufacturer, medium, gateway, bus, address, profile, key, settings (JSON).
Rules: the registry's rules for errors hold (nothing is written where one row is unsound, unless the caller skips it);
what is there already is changed to what the file says; a key is sealed before it is stored, and never shown.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from ingest.importing.cells import Row
from ingest.importing.files import batches, text_rows
from ingest.importing.report import ImportReport, Problem, Progress
from ingest.sealing import Sealer
from ingest.store import importing as store
from ingest.store import importing_lines as lines
from ingest.store.importing_lines import GatewayLine, MeterLink, StateFrom
from ingest.store.points import STATES

KINDS = ("states", "gateways", "links")
_REQUIRED = {
    "states": ("point", "state", "from"),
    "gateways": ("gateway", "kind", "address"),
    "links": ("serial", "manufacturer", "gateway"),
}
_KEY_BYTES = 16


async def import_lines(
    connection: AsyncConnection[Any],
    kind: str,
    path: Path,
    report: ImportReport,
    *,
    zone: tzinfo,
    area_zone: str,
    skip_bad: bool,
    sealer: Sealer | None,
    progress: Progress,
) -> None:
    """One file of a kind in `KINDS`. `sealer`: None refuses rows with a key."""
    read: Callable[[Row], Any] = {
        "states": lambda row: _state(row, zone),
        "gateways": _gateway,
        "links": lambda row: _link(row, sealer),
    }[kind]
    rows: list[Any] = []
    for batch in batches(path, required=_REQUIRED[kind], refuse=report.leave_out):
        for number, cells in text_rows(batch):
            if any(cells.values()):
                report.rows += 1
                row = Row(number, cells, report)
                made = read(row)
                rows += [made] if row.sound else []
        progress(report.rows, 0)
    if kind == "states":
        known = await lines.point_ids(connection)
        rows = _known(rows, known, report)
    report.refused = report.rows - len(rows)
    if report.dry_run or (report.errors and not skip_bad):
        return
    if kind == "states":
        counts = await _write_states(connection, rows, known)
    elif kind == "gateways":
        areas = await store.area_ids(connection, (row.area for row in rows if row.area), area_zone)
        counts = await lines.write_gateways(connection, rows, areas)
    else:
        counts, strangers = await lines.write_links(connection, rows, sealer.seal if sealer else None)
        for link in strangers:
            message = f"meter {link.serial} or gateway {link.gateway}, bus {link.bus} is not registered"
            report.add(Problem(link.row, "serial", "link.unknown", message, "warning"))
        report.refused += len(strangers)
    report.written, report.changed, report.unchanged = counts


def _state(row: Row, zone: tzinfo) -> StateFrom:
    point, state = row.text("point", required=True), row.choice("state", STATES, "active")
    return StateFrom(row.number, point, state, row.instant("from", zone))


def _known(rows: list[StateFrom], points: dict[str, int], report: ImportReport) -> list[StateFrom]:
    """Rows of points that are registered, each instant of a point once."""
    good: list[StateFrom] = []
    told: set[tuple[str, datetime | None]] = set()
    for row in rows:
        if row.point not in points:
            report.add(Problem(row.row, "point", "point.unknown", f"point {row.point} is not registered"))
        elif (row.point, row.since) in told:
            report.add(Problem(row.row, "from", "state.twice", f"point {row.point} has another state from then on"))
        else:
            told.add((row.point, row.since))
            good.append(row)
    return good


async def _write_states(
    connection: AsyncConnection[Any], rows: list[StateFrom], points: dict[str, int]
) -> tuple[int, int, int]:
    by_point: dict[str, list[tuple[str, datetime | None]]] = defaultdict(list)
    for row in rows:
        by_point[row.point].append((row.state, row.since))
    changed = 0
    for point, states in by_point.items():
        states.sort(key=lambda item: (item[1] is not None, item[1]))
        changed += len(states) * await lines.replace_states(connection, points[point], states)
    return 0, changed, len(rows) - changed


def _gateway(row: Row) -> GatewayLine:
    return GatewayLine(
        code=row.text("gateway", required=True, limit=100),
        kind=row.choice("kind", lines.GATEWAY_KINDS, ""),
        address=row.text("address", required=True),
        area=row.text("area", limit=100),
        bus=row.text("bus", limit=100) or "1",
        baud_rate=row.integer("baud_rate", low=1, high=1_000_000) or 2400,
        schedule_s=row.integer("schedule_s", low=1, high=2_678_400) or 3600,
        place=tuple(
            None if value is None else float(value) for value in (row.decimal("latitude"), row.decimal("longitude"))
        ),
    )


def _link(row: Row, sealer: Sealer | None) -> MeterLink:
    settings: Any = {}
    if text := row.text("settings", limit=4000):
        try:
            settings = json.loads(text)
        except ValueError:
            settings = None
        if not isinstance(settings, dict):
            row.problem("settings", "cell.json", "the settings are no JSON object")
            settings = {}
    return MeterLink(
        row=row.number,
        serial=row.text("serial", required=True, limit=60),
        manufacturer=row.text("manufacturer", limit=60),
        medium=row.text("medium", limit=40).lower() or "heat",
        gateway=row.text("gateway", required=True, limit=100),
        bus=row.text("bus", limit=100) or "1",
        address=row.text("address", limit=100),
        profile=row.text("profile", limit=100),
        key=_key(row, sealer),
        settings=settings,
    )


def _key(row: Row, sealer: Sealer | None) -> bytes | None:
    text = row.text("key", limit=64)
    if not text:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        row.problem("key", "key.length", f"a device key has {_KEY_BYTES} bytes, as {2 * _KEY_BYTES} hex digits")
    elif sealer is None:
        row.problem("key", "key.unsealed", "keys cannot be stored here: no master key")
    return key
