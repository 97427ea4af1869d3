"""Bulk pull of 100,000 billing quantities: every format against a pydantic response model, from the database, in one
run.

`main()` prints ratios of medians; run it by `python -m tests.speed` or by itself.
"""

import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from pydantic import BaseModel, TypeAdapter

from api.billing import formats
from api.billing.columns import Choice
from api.embedded import THROW_AWAY, EmbeddedPostgres
from ingest.store import feed
from ingest.store.database import migrate, open_pool

ROWS = 100_000
ROUNDS = 3
TARGETS = {"arrow": 30.0, "csv": 8.0, "jsonl": 2.5}


# The same rows as a plain endpoint would ask for them: newest versions, names by joins, decimals by the database.
_PLAIN = """
SELECT q.quantity_id, b.code AS period, p.code AS point, p.account, a.code AS area, q.service, q.version, q.state,
       q.energy_j, half_even(q.energy_j, 3600) * 0.001 AS energy_kwh,
       half_even(q.energy_j, 3600) * 0.000001 AS energy_mwh, half_even(q.energy_j, 1000) * 0.000001 AS energy_gj,
       q.volume_ml, half_even(q.volume_ml, 1000) * 0.001 AS volume_m3,
       q.share_measured, q.share_estimated, q.share_edited, q.quality, q.reason, q.days_in_service, q.days_suspended,
       q.heated_area_m2, q.degree_days, q.previous_id, q.cause, q.created_at
FROM (SELECT DISTINCT ON (point_id, service) * FROM billing_quantity WHERE period_id = %s
      ORDER BY point_id, service, version DESC) q
JOIN billing_period b USING (period_id) JOIN metering_point p USING (point_id) JOIN area a USING (area_id)
ORDER BY q.point_id, q.service
"""


class PulledQuantity(BaseModel):
    """The response model that a plain FastAPI endpoint would declare."""

    quantity_id: int
    period: str
    point: str
    account: str | None
    area: str
    service: int
    version: int
    state: str
    energy_j: int | None
    energy_kwh: Decimal | None
    energy_mwh: Decimal | None
    energy_gj: Decimal | None
    volume_ml: int | None
    volume_m3: Decimal | None
    share_measured: float
    share_estimated: float
    share_edited: float
    quality: str
    reason: str
    days_in_service: float
    days_suspended: float
    heated_area_m2: Decimal | None
    degree_days: float | None
    previous_id: int | None
    cause: str | None
    created_at: datetime


async def fill(connection: AsyncConnection[Any]) -> Choice:
    """A frozen period of ROWS points."""
    await connection.execute("INSERT INTO area (code, name) VALUES ('A1', 'A1')")
    await connection.execute(
        "INSERT INTO metering_point (code, area_id, account, heated_area_m2)"
        " SELECT 'P-' || lpad(n::text, 7, '0'), 1, CASE WHEN n %% 3 > 0 THEN 'ACC' || n END, 40 + n %% 90"
        " FROM generate_series(1, %s) AS n",
        (ROWS,),
    )
    await connection.execute(
        "INSERT INTO billing_period (code, start_date, end_date, state)"
        " VALUES ('2026-02', '2026-02-01', '2026-03-01', 'frozen')"
    )
    await connection.execute(
        """
        INSERT INTO billing_quantity (period_id, point_id, service, version, state, energy_j, volume_ml, share_measured,
            share_estimated, quality, rule_set_id, run_id, days_in_service, heated_area_m2, degree_days, determinants)
        SELECT 1, point_id, 1, 1, 'frozen', 1000000000 + point_id::int8 * 7919333, 20000000 + point_id * 31, 0.98, 0.02,
               'estimated', 1, 1, 28, heated_area_m2, 412.5, '{"segments": []}' FROM metering_point
        """
    )
    await connection.execute("VACUUM ANALYZE")
    return Choice(1, "2026-02")


async def by_response_model(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """Rows as dicts, validated and dumped by pydantic: what `response_model` does."""
    cursor = await connection.cursor(row_factory=dict_row).execute(_PLAIN, (choice.period_id,))
    adapter = TypeAdapter(list[PulledQuantity])
    yield adapter.dump_json(adapter.validate_python(await cursor.fetchall()))


async def seconds(make: Callable[[], AsyncIterator[bytes]]) -> tuple[float, int]:
    """Median time and size of a stream; the first round, which warms caches up, does not count."""
    times, size = [], 0
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        size = 0
        async for block in make():
            size += len(block)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:]), size


async def measure(url: str) -> dict[str, float]:
    """Ratios of every format to the response model."""
    pool = await open_pool(url)
    result = {}
    try:
        async with pool.connection() as connection:
            choice = await fill(connection)
        async with pool.connection() as connection, connection.transaction():
            await feed.one_view(connection)
            streams: dict[str, Callable[..., Any]] = {"pydantic": by_response_model, **formats.STREAMS}
            del streams["xlsx"]
            base = 0.0
            for name, stream in streams.items():
                taken, size = await seconds(lambda stream=stream: stream(connection, choice))
                base = base or taken
                result[name] = base / taken
                target = f"  (target {TARGETS[name]:g})" if name in TARGETS else ""
                print(f"{name:9} {taken * 1000:8.0f} ms {size / 1e6:7.1f} MB {base / taken:6.1f} x{target}")
    finally:
        await pool.close()
    return result


def main() -> dict[str, float]:
    """Measure on a server of its own; prints and returns ratios."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), settings=THROW_AWAY) as server:
        url = server.url("postgres")
        migrate(url)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run: Awaitable[dict[str, float]] = measure(url)
        ratios = asyncio.run(run)  # type: ignore[arg-type]
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"peak memory grew by {(after - before) / 1024:.0f} MiB, the response model's rows among it")
        return ratios


if __name__ == "__main__":
    main()
