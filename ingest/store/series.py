"""Reading series out of the database into arrays, and what the registry says of the points they belong to.

Rules: synchronous and bulk; rows come as binary COPY and are never touched one by one in Python; times are epoch
microseconds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql
from psycopg.pq import ExecStatus
from psycopg.rows import dict_row

from ingest.store import without_copy
from ingest.store.packing import POSTGRES_EPOCH_US
from ingest.store.series_arrays import reading_arrays

Row = dict[str, Any]
Table = NDArray[np.void]

_WIDTH = {"int2": 2, "int4": 4, "int8": 8, "timestamptz": 8, "float4": 4, "float8": 8}
_HEADER_BYTES, _TRAILER_BYTES = 19, 2


_UNIT_CHANGES = "SELECT point_id, service, min(from_ts) FROM finding WHERE kind = 'unit_error' GROUP BY 1, 2"


def load_unit_changes(connection: Connection[Any]) -> dict[tuple[int, int], datetime]:
    """(point, service) -> instant from which its unit is known to have changed."""
    rows = connection.execute(_UNIT_CHANGES).fetchall()
    return {(point, service): since for point, service, since in rows}


def copy_table(connection: Connection[Any], query: sql.Composable, columns: Sequence[tuple[str, str]]) -> Table:
    """Rows of a query without NULLs as a structured array.

    Parameters
    ----------
    query
        A SELECT; its columns must have the types that `columns` names.
    columns
        (name, PostgreSQL type) in the query's order. Timestamps come as int64 epoch microseconds.
    """
    if not without_copy.has_copy(connection):
        return without_copy.selected(connection, query, columns)
    connection.execute("SELECT 1")  # opens the transaction that the raw COPY below runs in
    text = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(query).as_bytes(connection)
    raw = connection.pgconn
    started = raw.exec_(text)
    if started.status != ExecStatus.COPY_OUT:
        raise RuntimeError(started.error_message.decode(errors="replace"))
    parts: list[Any] = []
    keep, take = parts.append, raw.get_copy_data
    size, data = take(0)
    while size > 0:
        keep(data)
        size, data = take(0)
    while (result := raw.get_result()) is not None:
        if result.status != ExecStatus.COMMAND_OK:
            raise RuntimeError(result.error_message.decode(errors="replace"))
    return _unpacked(b"".join(parts), columns)


def _unpacked(payload: bytes, columns: Sequence[tuple[str, str]]) -> Table:
    layout: list[tuple[str, str]] = [("", ">i2")]
    for name, kind in columns:
        layout += [(f"length_{name}", ">i4"), (name, f">{'f' if kind.startswith('float') else 'i'}{_WIDTH[kind]}")]
    layout[0] = ("fields", ">i2")
    body = payload[_HEADER_BYTES : len(payload) - _TRAILER_BYTES]
    packed = np.frombuffer(body, dtype=layout)
    native = np.empty(
        len(packed), [(name, f"{'f' if kind.startswith('float') else 'i'}{_WIDTH[kind]}") for name, kind in columns]
    )
    for name, kind in columns:
        native[name] = packed[name]
        if kind == "timestamptz":
            native[name] += POSTGRES_EPOCH_US
    return native


def load_readings(connection: Connection[Any], register_ids: Sequence[int], start: datetime, end: datetime) -> Table:
    """Readings of registers in [start, end), in order of register, time and version.

    Columns: `register_id` int32, `ts` int64 microseconds, `value` int64, `version`, `flags` int16.
    """
    return reading_arrays(connection, register_ids, start, end)


def load_weather(connection: Connection[Any], start: datetime, end: datetime) -> Table:
    """Outside temperatures in [start, end): `area_id` int32, `ts` int64 microseconds, `temperature_c` float32."""
    query = sql.SQL("SELECT area_id, ts, temperature_c FROM weather WHERE ts >= {} AND ts < {} ORDER BY 1, 2").format(
        sql.Literal(start), sql.Literal(end)
    )
    return copy_table(connection, query, [("area_id", "int4"), ("ts", "timestamptz"), ("temperature_c", "float4")])


# Names of status bits in the profiles, by what they mean for the figures; a code without names is read as the import
# format's.
_DEVICE = """
SELECT meter_id, ts, coalesce(extract(epoch FROM meter_time - ts), 'NaN')::float4,
  CASE WHEN flags <@ '{stale}' THEN
    (CASE WHEN coalesce(info_code, 0) & 3 <> 0 THEN 1 ELSE 0 END)
    | (CASE WHEN coalesce(info_code, 0) & 12 <> 0 THEN 2 ELSE 0 END)
    | (CASE WHEN coalesce(info_code, 0) & 16 <> 0 THEN 4 ELSE 0 END)
  ELSE (SELECT bit_or(CASE WHEN name LIKE '%sensor%' THEN 1 WHEN name ~ 'air|flow|empty' THEN 2
    WHEN name LIKE 'battery%' THEN 4 ELSE 8 END) FROM unnest(flags) AS name) END
FROM meter_status WHERE ts >= {start} AND ts < {end} AND meter_id = ANY({meters}::int[])
"""
_REJECTED = """
SELECT d.meter_id, q.arrived_at FROM quarantine q JOIN delivery d
  ON d.arrived_at = q.arrived_at AND d.delivery_id = q.delivery_id
WHERE q.state = 'open' AND q.arrived_at >= {start} AND q.arrived_at < {end} AND d.meter_id = ANY({meters}::int[])
"""


def load_statuses(connection: Connection[Any], meters: Sequence[int], start: datetime, end: datetime) -> Table:
    """What meters said of themselves: `meter_id`, `ts`, `clock_s` float32 (NaN where no clock came), `device` bits."""
    text = _DEVICE.replace("'{stale}'", "'{{stale}}'")
    query = sql.SQL(text).format(start=sql.Literal(start), end=sql.Literal(end), meters=sql.Literal(list(meters)))
    columns = [("meter_id", "int4"), ("ts", "timestamptz"), ("clock_s", "float4"), ("device", "int4")]
    return copy_table(connection, query, columns)


def load_rejected(connection: Connection[Any], meters: Sequence[int], start: datetime, end: datetime) -> Table:
    """Answers of meters that wait in quarantine: `meter_id`, `ts`."""
    query = sql.SQL(_REJECTED).format(start=sql.Literal(start), end=sql.Literal(end), meters=sql.Literal(list(meters)))
    return copy_table(connection, query, [("meter_id", "int4"), ("ts", "timestamptz")])


_INSTALLATIONS = """
SELECT i.installation_id, i.point_id, i.meter_id, i.service, lower(i.period) AS start_at, upper(i.period) AS end_at,
i.factor, i.initial_index, i.final_index, i.initial_volume, i.final_volume,
       p.area_id, p.code AS point_code, p.address, p.building, p.parent_id, p.rule_group_id, p.heated_area_m2,
       p.design_load_kw, p.kind AS point_kind,
       a.time_zone, a.price_per_kwh, m.qp_m3h, m.qs_m3h, m.mounting_side, m.medium, b.gateway_id, b.schedule_s
FROM installation i JOIN metering_point p USING (point_id) JOIN area a USING (area_id) JOIN meter m USING (meter_id)
LEFT JOIN meter_link l USING (meter_id) LEFT JOIN bus b USING (bus_id)
WHERE (%(points)s::int[] IS NULL OR i.point_id = ANY(%(points)s)) ORDER BY i.point_id, i.service, lower(i.period)
"""
_REGISTERS = """
SELECT register_id, meter_id, name, quantity, unit, scale, digits FROM register
WHERE meter_id = ANY(%s) AND tariff = 0 AND storage = 0 ORDER BY meter_id, subunit, scale, register_id
"""
_STATES = "SELECT point_id, state, lower(period), upper(period) FROM point_state WHERE point_id = ANY(%s) ORDER BY 1, 3"
_RULE_SETS = "SELECT rule_group_id, rule_set_id, settings FROM rule_set WHERE state = 'active'"
_EDITS = """
SELECT register_id, ts, value, kind FROM manual_reading
WHERE state = 'approved' AND kind IN ('edit', 'estimate') AND register_id = ANY(%s) ORDER BY register_id, ts, manual_id
"""
# One look into the key a register: the whole of the readings would be read for a minimum over all.
_SPAN = """
SELECT min(first.ts), max(last.ts) FROM register r
CROSS JOIN LATERAL (SELECT ts FROM readings_of(r.meter_id, r.slot) ORDER BY ts LIMIT 1 OFFSET 0) first
LEFT JOIN LATERAL (
  SELECT ts FROM readings_of(r.meter_id, r.slot) WHERE ts <= %s ORDER BY ts DESC LIMIT 1 OFFSET 0
) last ON true
WHERE r.tariff = 0 AND r.storage = 0
"""


def load_installations(connection: Connection[Any], points: Sequence[int] | None = None) -> list[Row]:
    """Installations of points (all where None) with what the engine needs of point, meter, area and bus."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_INSTALLATIONS, {"points": None if points is None else list(points)}).fetchall()


def load_registers(connection: Connection[Any], meters: Sequence[int]) -> list[Row]:
    """Registers of meters, the finest display first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_REGISTERS, (list(meters),)).fetchall()


def load_states(
    connection: Connection[Any], points: Sequence[int]
) -> list[tuple[int, str, datetime | None, datetime | None]]:
    """(point, state, from, to) of points, open ends None."""
    return connection.execute(_STATES, (list(points),)).fetchall()


def load_rule_sets(connection: Connection[Any]) -> dict[int, tuple[int, dict[str, Any]]]:
    """Active rule set of each group: group -> (rule set, settings)."""
    return {group: (number, settings) for group, number, settings in connection.execute(_RULE_SETS).fetchall()}


def load_rule_groups(connection: Connection[Any]) -> dict[str, int]:
    """Code of each rule group -> its number."""
    return dict(connection.execute("SELECT code, rule_group_id FROM rule_group").fetchall())


def load_periods(connection: Connection[Any]) -> list[Row]:
    """Billing periods: `code`, `start_date`, `end_date` (local days), `settings`."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT code, start_date, end_date, settings FROM billing_period").fetchall()


def load_edits(connection: Connection[Any], registers: Sequence[int]) -> list[tuple[int, datetime, int, str]]:
    """Approved edits and estimates: (register, instant, count, kind)."""
    return connection.execute(_EDITS, (list(registers),)).fetchall()


def reading_span(connection: Connection[Any], until: datetime) -> tuple[datetime, datetime]:
    """Instants of the earliest reading of all and of the latest up to `until`; `until` twice where there is none."""
    row = connection.execute(_SPAN, (until,)).fetchone()
    first, last = row if row is not None else (None, None)
    return first or until, last or until


def points_by_code(connection: Connection[Any], codes: Sequence[str]) -> dict[str, int]:
    """Point ids of codes; codes that no point has are left out."""
    rows = connection.execute(
        "SELECT code, point_id FROM metering_point WHERE code = ANY(%s)", (list(codes),)
    ).fetchall()
    return dict(rows)


def point_codes(connection: Connection[Any]) -> dict[int, str]:
    """Point id -> code of every point."""
    return dict(connection.execute("SELECT point_id, code FROM metering_point").fetchall())
