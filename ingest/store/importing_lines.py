"""States of points, gateways and meter links from files into the tables.

Rules: what is equal stays untouched; the caller has checked the rows and owns the transaction.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from ingest.store.gateways import create_bus, create_gateway
from ingest.store.meters import link_meter, set_key
from ingest.store.points import states
from ingest.store.refusals import in_domain_words

GATEWAY_KINDS = (
    "mbus_tcp", "mbus_serial", "modbus_tcp", "modbus_rtu", "modbus_rtu_tcp", "cjt188_tcp", "dlt645_tcp", "mqtt", "push",
    "file", "manual",
)  # fmt: skip
# Written, changed, unchanged.
Counts = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class StateFrom:
    """A point is in a state from an instant on (None: since ever)."""

    row: int
    point: str
    state: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class GatewayLine:
    """A gateway with one of its buses, as a file states it."""

    code: str
    kind: str
    address: str
    area: str
    bus: str
    baud_rate: int
    schedule_s: int
    place: tuple[float | None, ...] = (None, None)


@dataclass(frozen=True, slots=True)
class MeterLink:
    """How a meter is reached, as a file states it."""

    row: int
    serial: str
    manufacturer: str
    medium: str
    gateway: str
    bus: str
    address: str
    profile: str
    key: bytes | None = field(repr=False)
    settings: dict[str, Any]


async def point_ids(connection: AsyncConnection[Any]) -> dict[str, int]:
    """Point code -> point id."""
    cursor = await connection.execute("SELECT code, point_id FROM metering_point")
    return dict(await cursor.fetchall())


async def replace_states(
    connection: AsyncConnection[Any], point_id: int, wanted: Sequence[tuple[str, datetime | None]]
) -> bool:
    """The whole history of a point's state, oldest first; what was before the first instant stays. True if it changed.

    Meters at the point are marked for assessment from the first instant on.
    """
    since = wanted[0][1]
    stored = [(item.state, item.start) for item in await states(connection, point_id)]
    kept = [] if since is None else [item for item in stored if item[1] is None or item[1] < since]
    if stored == [*kept, *wanted]:
        return False
    ends = [start for _, start in wanted[1:]] + [None]
    async with in_domain_words(connection):
        await connection.execute(
            "DELETE FROM point_state WHERE point_id = %s AND (%s::timestamptz IS NULL OR lower(period) >= %s)",
            (point_id, since, since),
        )
        await connection.execute(
            "UPDATE point_state SET period = tstzrange(lower(period), %s) WHERE point_id = %s AND period @>"
            " %s::timestamptz",
            (since, point_id, since),
        )
        for (state, start), end in zip(wanted, ends, strict=True):
            await connection.execute(
                "INSERT INTO point_state (point_id, state, period, note) VALUES (%s, %s, tstzrange(%s, %s), 'import')",
                (point_id, state, start, end),
            )
        await connection.execute(
            "INSERT INTO touched (meter_id, from_ts) SELECT DISTINCT i.meter_id,"
            " coalesce(%s::timestamptz, lower(i.period)) FROM installation i WHERE i.point_id = %s"
            " AND lower(i.period) IS NOT NULL",
            (since, point_id),
        )
    return True


async def write_gateways(
    connection: AsyncConnection[Any], rows: Sequence[GatewayLine], areas: Mapping[str, int]
) -> Counts:
    """Gateways and buses; a bus of a gateway has a row of its own."""
    written = changed = 0
    for row in rows:
        area = areas.get(row.area)
        cursor = await connection.execute("SELECT gateway_id FROM gateway WHERE code = %s", (row.code,))
        found = await cursor.fetchone()
        if found is None:
            latitude, longitude = row.place
            number = await create_gateway(
                connection, code=row.code, kind=row.kind, address=row.address, area_id=area, latitude=latitude,
                longitude=longitude,
            )  # fmt: skip
        else:
            number = int(found[0])
        touched = found is None or await _change_gateway(connection, number, row, area)
        touched = await _change_bus(connection, number, row) or touched
        written, changed = written + (found is None), changed + (found is not None and touched)
    return written, changed, len(rows) - written - changed


async def _change_gateway(connection: AsyncConnection[Any], number: int, row: GatewayLine, area: int | None) -> bool:
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "UPDATE gateway SET kind = %s, address = %s, area_id = coalesce(%s, area_id) WHERE gateway_id = %s"
            " AND (kind, address, area_id) IS DISTINCT FROM (%s, %s, coalesce(%s, area_id))",
            (row.kind, row.address, area, number, row.kind, row.address, area),
        )
    return cursor.rowcount > 0


async def _change_bus(connection: AsyncConnection[Any], gateway: int, row: GatewayLine) -> bool:
    cursor = await connection.execute(
        "SELECT bus_id, baud_rate, schedule_s FROM bus WHERE gateway_id = %s AND code = %s", (gateway, row.bus)
    )
    found = await cursor.fetchone()
    if found is None:
        jitter_s = min(row.schedule_s // 20, 60)
        await create_bus(
            connection, gateway_id=gateway, code=row.bus, baud_rate=row.baud_rate, schedule_s=row.schedule_s,
            jitter_s=jitter_s,
        )  # fmt: skip
        return True
    if tuple(found[1:]) == (row.baud_rate, row.schedule_s):
        return False
    await connection.execute(
        "UPDATE bus SET baud_rate = %s, schedule_s = %s WHERE bus_id = %s", (row.baud_rate, row.schedule_s, found[0])
    )
    return True


async def write_links(
    connection: AsyncConnection[Any], rows: Sequence[MeterLink], seal: Callable[[bytes, int], bytes] | None
) -> tuple[Counts, list[MeterLink]]:
    """Links, profiles and keys of meters; rows whose meter or bus nobody registered come back."""
    cursor = await connection.execute(
        "SELECT m.manufacturer, m.serial, m.medium, m.meter_id, m.profile, l.bus_id, l.address, l.settings,"
        " l.meter_id IS NOT NULL FROM meter m LEFT JOIN meter_link l USING (meter_id)"
    )
    meters = {tuple(found[:3]): found[3:] for found in await cursor.fetchall()}
    cursor = await connection.execute("SELECT g.code, b.code, b.bus_id FROM bus b JOIN gateway g USING (gateway_id)")
    buses = {(gateway, bus): number for gateway, bus, number in await cursor.fetchall()}
    written = changed = 0
    strangers = []
    for row in rows:
        meter = meters.get((row.manufacturer, row.serial, row.medium))
        bus_id = buses.get((row.gateway, row.bus))
        if meter is None or bus_id is None:
            strangers.append(row)
            continue
        number, profile, *linked = meter
        profile = row.profile or profile
        different = linked != [bus_id, row.address, row.settings, True] or profile != meter[1]
        if different:
            await link_meter(connection, number, bus_id=bus_id, address=row.address, settings=row.settings)
            await connection.execute("UPDATE meter SET profile = %s WHERE meter_id = %s", (profile, number))
        if row.key is not None and seal is not None:
            # Sealed keys differ every time, so a key is simply written again.
            await set_key(connection, number, seal(row.key, number))
        written, changed = written + (not linked[3]), changed + (different and linked[3])
    return (written, changed, len(rows) - len(strangers) - written - changed), strangers
