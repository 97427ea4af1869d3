"""A pool on a fresh database, and files in the import formats."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.importing.door import ImportOptions, import_file
from ingest.importing.report import ImportReport
from ingest.store.database import Pool, open_pool

NOW = datetime(2026, 2, 1, tzinfo=UTC)
POINTS = "point,area,address,kind,state,heated_area_m2,design_load_kw\n"
METERS = (
    "serial,manufacturer,medium,model,point,installed_at,initial_index,energy_unit,energy_digits,energy_scale,qp_m3h\n"
)
READINGS = "serial,manufacturer,time,quantity,value,unit\n"


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    """A pool on a fresh database."""
    opened = await open_pool(database_url, maximum=3)
    yield opened
    await opened.close()


@pytest.fixture
def bring(pool: Pool, tmp_path: Path) -> Callable[..., Any]:
    """Import text (without its header) as a file of a kind; the report."""

    async def import_text(kind: str, text: str, **options: Any) -> ImportReport:
        header = {"points": POINTS, "meters": METERS, "readings": READINGS, "weather": "area,time,temperature_c\n"}[
            kind
        ]
        path = tmp_path / f"{kind}.csv"
        path.write_text(header + text, encoding="utf-8")
        return await import_file(pool, kind, path, ImportOptions(**options), now=NOW)

    return import_text


@pytest.fixture
def ask(pool: Pool) -> Callable[..., Any]:
    """Rows of a query."""

    async def rows(query: str, *parameters: Any) -> list[Any]:
        async with pool.connection() as connection:
            cursor = await connection.execute(query, parameters or None)
            return await cursor.fetchall()

    return rows


@pytest.fixture
async def street(bring: Any) -> None:
    """Three dwellings with a meter each: kWh, 0.01 MWh and GJ."""
    await bring(
        "points",
        "P-601,A1,Long Road 3 601,dwelling,active,80.5,4.2\nP-602,A1,Long Road 3 602,dwelling,suspended,81,4.3\n"
        "P-603,A2,Long Road 3 603,shop,,60,3\n",
    )
    await bring(
        "meters",
        "00000601,KAM,heat,m603,P-601,2025-10-01T00:00:00Z,1200,kWh,7,0,0.6\n"
        "00000602,KAM,heat,m603,P-602,2025-10-01T00:00:00Z,12.34,MWh,6,-2,0.6\n"
        "00000603,LUG,heat,t550,P-603,2025-10-01T00:00:00Z,3.456,GJ,8,-3,1.5\n",
    )
