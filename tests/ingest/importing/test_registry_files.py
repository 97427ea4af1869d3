"""points.csv and meters.csv: every problem by row and column, nothing twice, nothing half."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ingest.errors import InvalidInputError
from ingest.importing.door import ImportOptions, files_in, import_file, import_files

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def found(report: Any) -> list[tuple[int, str, str]]:
    return [(item.row, item.column, item.code) for item in report.problems]


async def test_points_and_meters_become_registry_and_exact_counts(street: None, ask: Any) -> None:
    assert await ask("SELECT code, kind, heated_area_m2::text, building FROM metering_point ORDER BY code") == [
        ("P-601", "dwelling", "80.50", "Long Road 3"),
        ("P-602", "dwelling", "81.00", "Long Road 3"),
        ("P-603", "shop", "60.00", "Long Road 3"),
    ]
    assert await ask(
        "SELECT m.serial, i.initial_index, r.unit, r.scale, r.digits FROM installation i JOIN meter m USING (meter_id)"
        " JOIN register r USING (meter_id) WHERE r.name = 'energy' ORDER BY 1"
    ) == [("00000601", 1200, "kWh", 0, 7), ("00000602", 1234, "MWh", -2, 6), ("00000603", 3456, "GJ", -3, 8)]
    assert await ask("SELECT code FROM area ORDER BY 1") == [("A1",), ("A2",)]
    assert ("suspended",) in await ask("SELECT state FROM point_state")


async def test_importing_again_changes_nothing(street: None, bring: Any, ask: Any) -> None:
    before = await ask("SELECT * FROM installation ORDER BY 1"), await ask("SELECT * FROM point_state ORDER BY 1, 3")
    points = await bring("points", "P-601,A1,Long Road 3 601,dwelling,active,80.5,4.2\n")
    meters = await bring("meters", "00000601,KAM,heat,m603,P-601,2025-10-01T00:00:00Z,1200,kWh,7,0,0.6\n")
    assert (points.written, points.changed, points.unchanged) == (0, 0, 1)
    assert (meters.written, meters.changed, meters.unchanged) == (0, 0, 1)
    assert before == (
        await ask("SELECT * FROM installation ORDER BY 1"),
        await ask("SELECT * FROM point_state ORDER BY 1, 3"),
    )


async def test_a_changed_row_changes_its_point_and_dates_its_state(street: None, bring: Any, ask: Any) -> None:
    report = await bring("points", "P-601,A1,Long Road 3 601,dwelling,vacant,90,4.2\n")
    assert (report.written, report.changed) == (0, 1)
    rows = await ask(
        "SELECT state, lower(period), upper(period) FROM point_state JOIN metering_point USING (point_id)"
        " WHERE code = 'P-601' ORDER BY period"
    )
    assert rows == [("active", None, NOW), ("vacant", NOW, None)]


async def test_every_problem_is_listed_by_row_and_column_and_nothing_is_written(bring: Any, ask: Any) -> None:
    report = await bring(
        "points",
        "P1,A1,x,castle,active,80,4\n,A1,x2,dwelling,active,80,4\nP3,,x3,dwelling,gone,80,4\nP4,A1,x4,dwelling,active,large,-4\n"
        "P5,A1,x5,dwelling,active,1,1\nP5,A1,x6,dwelling,active,1,1\n",
    )
    assert sorted(found(report)) == [
        (2, "kind", "cell.choice"),
        (3, "point", "cell.empty"),
        (4, "area", "cell.empty"),
        (4, "state", "cell.choice"),
        (5, "design_load_kw", "cell.range"),
        (5, "heated_area_m2", "cell.unreadable"),
        (7, "point", "point.twice"),
    ]
    assert await ask("SELECT count(*) FROM metering_point") == [(0,)]


async def test_sound_rows_can_be_taken_without_the_others(bring: Any, ask: Any) -> None:
    report = await bring("points", "P1,A1,x,castle,,,\nP2,A1,y,dwelling,,,\n", skip_bad=True)
    assert (report.written, report.refused) == (1, 1)


async def test_602_booked_as_603_is_noticed_among_its_neighbours(bring: Any) -> None:
    rows = "".join(f"B7-{n},A1,Long Road 7 {n},dwelling,active,80,4\n" for n in range(601, 620))
    report = await bring("points", rows.replace("Long Road 7 602", "Long Road 7 603"), dry_run=True)
    assert sorted(found(report)) == [(3, "address", "point.flat"), (4, "address", "address.twice")]
    assert report.errors == 0


async def test_one_household_one_meter_one_account(street: None, bring: Any, tmp_path: Path, pool: Any) -> None:
    twice = await bring(
        "meters",
        "1,KAM,heat,m,P-601,2026-01-01T00:00:00Z,0,kWh,7,0,0.6\n2,KAM,heat,m,P-601,2026-01-01T00:00:00Z,0,kWh,7,0,0.6\n",
    )
    assert (3, "point", "point.two_meters") in found(twice)
    moved = await bring("meters", "00000602,KAM,heat,m603,P-603,2025-11-01T00:00:00Z,12.34,MWh,6,-2,0.6\n")
    assert ("point", "installation.overlap") in [(column, code) for _, column, code in found(moved)]
    path = tmp_path / "points_accounts.csv"
    path.write_text("point,area,account\nP-601,A1,77\nP-602,A1,77\n")
    report = await import_file(pool, "points", path, ImportOptions(), now=NOW)
    assert found(report) == [(3, "account", "account.twice")]


async def test_a_later_meter_of_the_same_point_is_an_exchange(street: None, bring: Any, ask: Any) -> None:
    report = await bring("meters", "00000999,KAM,heat,m603,P-601,2026-01-15T08:00:00Z,3,kWh,7,0,0.6\n")
    assert [code for _, _, code in found(report)] == ["point.exchange"]
    assert await ask(
        "SELECT m.serial, upper(i.period), i.initial_index FROM installation i JOIN meter m USING (meter_id)"
        " JOIN metering_point p USING (point_id) WHERE p.code = 'P-601' ORDER BY i.period"
    ) == [("00000601", datetime(2026, 1, 15, 8, tzinfo=UTC), 1200), ("00000999", None, 3)]


async def test_a_second_meter_beside_a_point_without_one_is_suspect(street: None, bring: Any) -> None:
    await bring("points", "P-604,A1,Long Road 3 604,dwelling,active,80,4\nQ-604,A1,Short Road 604,,,,\n")
    row = "00000998,KAM,heat,m603,{},2026-01-15T08:00:00Z,3,kWh,7,0,0.6\n"
    stored = await bring("meters", row.format("P-603"), dry_run=True)
    assert found(stored) == [(2, "point", "point.exchange"), (2, "point", "point.neighbour")]
    assert "point P-604 has no meter" in stored.problems[1].message
    whole = await bring("meters", row.format("P-604") + row.format("P-603").replace("998", "999"), dry_run=True)
    assert found(whole) == [(3, "point", "point.exchange")]
    twice = row.format("Q-604") + row.format("P-602").replace("998", "997") + row.format("P-602").replace("998", "996")
    assert (4, "point", "point.neighbour") in found(await bring("meters", twice, dry_run=True))


@pytest.mark.parametrize(
    ("cells", "column", "code"),
    [
        ("1,KAM,heat,m,P-601,2026-01-01T00:00:00Z,12.5,kWh,7,0,0.6", "initial_index", "index.finer"),
        ("1,KAM,heat,m,P-601,2026-01-01T00:00:00Z,12345,kWh,4,0,0.6", "initial_index", "index.digits"),
        ("1,KAM,heat,m,P-601,2026-01-01T00:00:00Z,1,L,7,0,0.6", "energy_unit", "unit.unknown"),
        ("1,KAM,heat,m,P-999,2026-01-01T00:00:00Z,1,kWh,7,0,0.6", "point", "point.unknown"),
        ("1,KAM,heat,m,P-601,yesterday,1,kWh,7,0,0.6", "installed_at", "cell.unreadable"),
        (",KAM,heat,m,P-601,2026-01-01T00:00:00Z,1,kWh,7,0,0.6", "serial", "cell.empty"),
        ("00000601,KAM,heat,m603,P-601,2025-10-01T00:00:00Z,120,kWh,7,1,0.6", "energy_scale", "register.differs"),
        ("1,KAM,heat,m,P-601,2026-01-01T00:00:00Z,1,kWh,7,0.02,0.6", "energy_scale", "cell.number"),
    ],
)
async def test_a_wrong_meter_row_is_named(street: None, bring: Any, cells: str, column: str, code: str) -> None:
    report = await bring("meters", cells + "\n", dry_run=True)
    assert (2, column, code) in found(report)


async def test_excel_and_semicolons_read_like_commas(pool: Any, tmp_path: Path, ask: Any) -> None:
    book = openpyxl.Workbook()
    for row in (("Point", "area", "heated_area_m2"), ("007", "A1", 80.5), ("008", "A1", None)):
        book.active.append(row)
    book.save(tmp_path / "points.xlsx")
    assert (await import_file(pool, "points", tmp_path / "points.xlsx", ImportOptions(), now=NOW)).written == 2
    (tmp_path / "points2.csv").write_text("\ufeffpoint;area\n009;A1\n", encoding="utf-8")
    assert (await import_file(pool, "points", tmp_path / "points2.csv", ImportOptions(), now=NOW)).written == 1
    assert await ask("SELECT code, heated_area_m2::text FROM metering_point ORDER BY 1") == [
        ("007", "80.50"),
        ("008", None),
        ("009", None),
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("points.csv", b"point,address\nP1,x\n", "column area is missing"),
        ("points.csv", b"", "first row is empty"),
        ("points.csv", b"\npoint,area\n1,2\n", "first row is empty"),
        ("points.csv", b"point,area,point\n1,2,3\n", "twice"),
        ("points.csv", b"point,area\n\xff\xfe,1\n", "neither UTF-8 nor GB 18030"),
        ("points.parquet", b"nonsense", "Parquet"),
        ("points.xlsx", b"nonsense", "zip"),
        ("points.doc", b"", "only .csv"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_with_its_reason(
    pool: Any, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=said):
        await import_file(pool, "points", tmp_path / name, ImportOptions(), now=NOW)


async def test_a_folder_is_imported_in_the_order_that_it_needs(pool: Any, tmp_path: Path) -> None:
    (tmp_path / "weather.csv").write_text("area,time,temperature_c\nA1,2026-01-01T00:00:00Z,-4.5\n")
    (tmp_path / "points.csv").write_text("point,area\nP1,A1\n")
    (tmp_path / "meters.csv").write_text("serial,manufacturer,point,installed_at\n1,KAM,P1,2025-01-01\n")
    (tmp_path / "readings.csv").write_text(
        "serial,manufacturer,time,quantity,value,unit\n1,KAM,2026-01-01,volume,1.5,m3\n"
    )
    (tmp_path / "labels.csv").write_text("x\n")
    files = files_in(tmp_path)
    assert [kind for kind, _ in files] == ["points", "meters", "weather", "readings"]
    planned = await import_files(pool, files, ImportOptions(dry_run=True), now=NOW)
    assert [report.errors for report in planned] == [0, 0, 0, 0]
    done = await import_files(pool, files, ImportOptions(), now=NOW)
    assert [report.written for report in done] == [1, 1, 1, 1]
