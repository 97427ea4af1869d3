"""`parent` of points.csv: flats below their building's master meter, buildings below a substation."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.exporting import formats, tables
from ingest.importing.door import ImportOptions, import_file

NOW = datetime(2026, 2, 1, tzinfo=UTC)
STREET = "S1,A1,substation,\nB1,A1,building,S1\nF1,A1,dwelling,B1\nF2,A1,dwelling,B1\n"
ABOVE = "SELECT p.code, q.code FROM metering_point p LEFT JOIN metering_point q ON q.point_id = p.parent_id ORDER BY 1"


@pytest.fixture
def place(pool: Any, tmp_path: Path) -> Any:
    """Import rows of point, area, kind, parent; the report."""

    async def import_rows(rows: str, header: str = "point,area,kind,parent", **options: Any) -> Any:
        path = tmp_path / "points.csv"
        path.write_text(f"{header}\n{rows}")
        return await import_file(pool, "points", path, ImportOptions(**options), now=NOW)

    return import_rows


def found(report: Any) -> list[tuple[int, str, str]]:
    return [(item.row, item.code, item.severity) for item in report.problems]


async def test_flats_building_and_substation_in_any_order_of_rows(place: Any, ask: Any) -> None:
    turned = "".join(reversed(STREET.splitlines(keepends=True)))
    assert (await place(turned)).written == 4
    assert await ask(ABOVE) == [("B1", "S1"), ("F1", "B1"), ("F2", "B1"), ("S1", None)]
    assert (await place(STREET)).unchanged == 4


async def test_an_empty_parent_takes_it_away_and_no_column_leaves_it(place: Any, ask: Any) -> None:
    await place(STREET)
    report = await place("F1,A1,dwelling,\nF2,A1,dwelling,S1\n")
    assert (report.changed, report.errors) == (2, 0)
    await place("B1,A1,building\n", header="point,area,kind")
    assert await ask(ABOVE) == [("B1", "S1"), ("F1", None), ("F2", "S1"), ("S1", None)]


async def test_what_cannot_stand_above_is_said_by_row(place: Any, ask: Any) -> None:
    await place(STREET)
    rows = (
        "S1,A1,substation,F1\nX1,A1,dwelling,nobody\nX2,A1,dwelling,X2\nX3,A1,dwelling,X1\nX4,A1,dwelling,B1\n"
        "X5,A1,dwelling,X4\n"
    )
    report = await place(rows, skip_bad=True)
    assert found(report) == [
        (2, "parent.circle", "error"),
        (3, "parent.unknown", "error"),
        (4, "parent.circle", "error"),
        (5, "parent.unknown", "error"),
        (7, "parent.dwelling", "warning"),
    ]
    assert report.problems[0].message == "S1 < F1 < B1 < S1: a point above itself"
    assert dict(await ask(ABOVE)) == {"B1": "S1", "F1": "B1", "F2": "B1", "S1": None, "X4": "B1", "X5": "X4"}


async def test_an_export_brings_the_same_relation_back(place: Any, ask: Any, database_url: str, tmp_path: Path) -> None:
    await place(STREET)
    above = await ask(ABOVE)
    target = io.BytesIO()
    with psycopg.connect(database_url) as connection:
        rows = tables.lines_of(connection, "points", start=NOW, end=datetime(2027, 1, 1, tzinfo=UTC))
        formats.write("points", rows, "csv", target, lambda _: None)
    await ask("UPDATE metering_point SET parent_id = NULL RETURNING 1")
    header, _, lines = target.getvalue().decode().partition("\n")
    assert (await place(lines, header=header)).changed == 3
    assert await ask(ABOVE) == above
