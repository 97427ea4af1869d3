"""Bulk answers of a period's quantities: a stream in flat memory, whatever the number of points.

CSV is written by the database itself (COPY); the API only passes its bytes on.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, LiteralString

import msgspec
from psycopg import AsyncConnection
from starlette.responses import Response

from ingest.store.feed import BULK_FROM

# kWh, MWh and GJ are whole joules over a constant: numeric division, rounded half to even like ingest.billing.rounded.
CSV_COLUMNS: Final[LiteralString] = """
q.quantity_id, b.code AS period, p.code AS point, p.account, a.code AS area, q.service, q.version, q.state, q.energy_j,
round_half_even(q.energy_j, 3600000, 3) AS energy_kwh, round_half_even(q.energy_j, 1000000000, 6) AS energy_gj,
q.volume_ml, round_half_even(q.volume_ml, 1000000, 3) AS volume_m3, q.share_measured, q.share_estimated, q.share_edited,
q.quality, q.reason, q.days_in_service, q.days_suspended, q.heated_area_m2, q.degree_days, q.previous_id, q.cause,
q.created_at
"""


def json_response(body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """Body as JSON by msgspec: decimals as strings, instants in ISO 8601."""
    return Response(msgspec.json.encode(body), 200, headers, "application/json")


async def csv_stream(
    connection: AsyncConnection[Any], period_id: int, *, areas: list[int] | None, states: list[str] | None
) -> AsyncIterator[bytes]:
    """Lines of CSV with a header, in blocks as the database sends them."""
    query: LiteralString = (
        f"COPY (SELECT {CSV_COLUMNS} {BULK_FROM} ORDER BY q.point_id, q.service) TO STDOUT (FORMAT csv, HEADER)"
    )
    values = {"period": period_id, "areas": areas, "states": states}
    block: list[bytes] = []
    size = 0
    async with connection.cursor().copy(query, values) as copy:
        async for data in copy:
            block.append(bytes(data))
            size += len(data)
            if size > 65_536:
                yield b"".join(block)
                block, size = [], 0
    if block:
        yield b"".join(block)
