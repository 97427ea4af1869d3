"""Bulk pull of 100,000 billing quantities: every format against a pydantic response model, from the database, in one
run, round by round; and the peak memory of a process that pulls a tenth and all of them.

`main()` prints ratios of medians; run it by `python -m tests.speed` or by itself.
"""

import asyncio
import resource
import statistics
import subprocess
import sys
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
    # A tenth of the same under another period: what memory is compared with.
    await connection.execute(
        "INSERT INTO billing_period (code, start_date, end_date, state)"
        " VALUES ('2026-01', '2026-01-01', '2026-02-01', 'frozen')"
    )
    await connection.execute(
        "INSERT INTO billing_quantity (period_id, point_id, service, version, state, energy_j, volume_ml, quality)"
        " SELECT 2, point_id, service, 1, 'frozen', energy_j, volume_ml, quality FROM billing_quantity"
        " WHERE point_id <= %s",
        (ROWS // 10,),
    )
    await connection.execute("VACUUM ANALYZE")
    return Choice(1, "2026-02")


async def by_response_model(connection: AsyncConnection[Any], choice: Choice) -> AsyncIterator[bytes]:
    """Rows as dicts, validated and dumped by pydantic: what `response_model` does."""
    cursor = await connection.cursor(row_factory=dict_row).execute(_PLAIN, (choice.period_id,))
    adapter = TypeAdapter(list[PulledQuantity])
    yield adapter.dump_json(adapter.validate_python(await cursor.fetchall()))


async def seconds(make: Callable[[], AsyncIterator[formats.Block]]) -> tuple[float, int]:
    """Time and size of a stream."""
    started, size = time.perf_counter(), 0
    async for block in make():
        size += len(block)
    return time.perf_counter() - started, size


async def measure(url: str) -> dict[str, float]:
    """Ratios of every format to the response model; the first round, which warms caches up, does not count."""
    pool = await open_pool(url)
    streams: dict[str, Callable[..., Any]] = {"pydantic": by_response_model, **formats.STREAMS}
    del streams["xlsx"]
    times: dict[str, list[float]] = {name: [] for name in streams}
    sizes: dict[str, int] = {}
    try:
        async with pool.connection() as connection:
            choice = await fill(connection)
        async with pool.connection() as connection, connection.transaction():
            await feed.one_view(connection)
            for _ in range(ROUNDS + 1):
                for name, stream in streams.items():
                    taken, sizes[name] = await seconds(lambda stream=stream: stream(connection, choice))
                    times[name].append(taken)
    finally:
        await pool.close()
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    result = {name: medians["pydantic"] / taken for name, taken in medians.items()}
    for name, ratio in result.items():
        target = f"  (target {TARGETS[name]:g})" if name in TARGETS else ""
        print(f"{name:9} {medians[name] * 1000:8.0f} ms {sizes[name] / 1e6:7.1f} MB {ratio:6.1f} x{target}")
    return result


async def pull(url: str, form: str, choice: Choice) -> None:
    """Pull a period once and tell by how much the process's peak memory grew over a pull of nothing."""
    pool = await open_pool(url)
    async with pool.connection() as connection, connection.transaction():
        await feed.one_view(connection)
        await seconds(lambda: formats.STREAMS[form](connection, Choice(choice.period_id, "", states=["none"])))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await seconds(lambda: formats.STREAMS[form](connection, choice))
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    await pool.close()


def memory(url: str) -> None:
    """Peak memory of a pull of a tenth and of all rows, each in a process of its own."""
    for form in ("arrow", "csv", "jsonl"):
        grown = []
        for period in (2, 1):
            command = [sys.executable, "-m", "tests.speed.bulk_pull", url, form, str(period)]
            made = subprocess.run(command, capture_output=True, text=True, check=True)
            grown.append(float(made.stdout))
        print(f"{form:9} peak memory +{grown[0]:.0f} MiB for {ROWS // 10:,} rows, +{grown[1]:.0f} MiB for {ROWS:,}")


def main() -> dict[str, float]:
    """Measure on a server of its own; prints and returns ratios."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder), settings=THROW_AWAY) as server:
        url = server.url("postgres")
        migrate(url)
        run: Awaitable[dict[str, float]] = measure(url)
        ratios = asyncio.run(run)  # type: ignore[arg-type]
        memory(url)
        return ratios


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(pull(sys.argv[1], sys.argv[2], Choice(int(sys.argv[3]), "x")))
    else:
        main()
