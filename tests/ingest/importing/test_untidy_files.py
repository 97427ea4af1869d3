"""Files as people send them: other encodings and delimiters, empty and broken rows, formulas, spreadsheet dates."""

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ingest.errors import InvalidInputError
from ingest.importing.door import ImportOptions, import_file
from ingest.importing.files import batches, column_names, row_count

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def take(pool: Any, tmp_path: Path) -> Any:
    """Import bytes as a file of a kind; the report."""

    async def import_bytes(kind: str, content: bytes, **options: Any) -> Any:
        path = tmp_path / f"{kind}.csv"
        path.write_bytes(content)
        return await import_file(pool, kind, path, ImportOptions(**options), now=NOW)

    return import_bytes


def said(report: Any) -> list[tuple[int, str, str]]:
    return [(problem.row, problem.column, problem.code) for problem in report.problems]


@pytest.mark.parametrize(
    ("encoding", "delimiter", "warnings"),
    [
        ("utf-8", ",", []),
        ("utf-8-sig", ";", []),
        ("utf-16", "\t", []),
        ("gbk", ",", [(0, "", "file.encoding")]),
        ("gb18030", "\t", [(0, "", "file.encoding")]),
    ],
)
async def test_chinese_texts_arrive_whatever_saved_them(
    take: Any, ask: Any, encoding: str, delimiter: str, warnings: Any
) -> None:
    text = "point,area,address\nP1,和平区,和平路12号3单元602室\n".replace(",", delimiter)
    report = await take("points", text.encode(encoding))
    assert (report.written, said(report)) == (1, warnings)
    stored = await ask("SELECT a.code, p.address FROM metering_point p JOIN area a USING (area_id)")
    assert stored == [("和平区", "和平路12号3单元602室")]


async def test_rows_keep_the_numbers_of_the_spreadsheet(take: Any) -> None:
    text = "point,area,heated_area_m2\nP1,A1,80\n\n\nP2,A1\nP3,A1,1,2\nP4,A1,1e308\n,,\nP5,A1,=B2*2\nP6,A1,1_000\n"
    report = await take("points", text.encode(), dry_run=True)
    assert (report.rows, report.refused) == (6, 5)
    assert said(report) == [
        (5, "", "row.shape"),
        (6, "", "row.shape"),
        (7, "heated_area_m2", "cell.range"),
        (9, "heated_area_m2", "cell.unreadable"),
        (10, "heated_area_m2", "cell.unreadable"),
    ]
    assert report.problems[0].message == "2 cells where the header has 3"


async def test_an_unsound_row_is_checked_against_the_others_too(take: Any) -> None:
    text = "point,area,account,heated_area_m2\nP1,A1,acc,80\nP1,A1,acc,much\nP2,,acc,90\n"
    report = await take("points", text.encode(), dry_run=True)
    assert said(report) == [
        (3, "heated_area_m2", "cell.unreadable"),
        (3, "point", "point.twice"),
        (3, "account", "account.twice"),
        (4, "area", "cell.empty"),
        (4, "account", "account.twice"),
    ]
    assert report.refused == 2


async def test_empty_and_broken_rows_of_a_readings_file_are_left_out(take: Any, street: None, ask: Any) -> None:
    rows = [f"00000601,KAM,2026-01-01T{hour:02}:00:00Z,heat_energy,{1200 + hour},kWh" for hour in range(5)]
    rows[2:2] = ["", "00000601,KAM", ",,,,,"]
    rows.append("00000601,KAM,2026-01-02T00:00:00Z,heat_energy,x,kWh")
    text = "serial,manufacturer,time,quantity,value,unit\n" + "\n".join(rows) + "\n\n"
    report = await take("readings", text.encode())
    assert (report.rows, report.written, report.refused) == (7, 5, 2)
    assert sorted(said(report)) == [(5, "", "row.shape"), (10, "value", "value.missing")]
    assert await ask("SELECT count(*) FROM reading") == [(5,)]


async def test_cells_that_a_spreadsheet_guarded_are_what_they_showed(take: Any, ask: Any) -> None:
    text = 'point,area,address\n"=""00123""",A1,\'+86 road\n\'=x,A1,it\'s\n=A1,A1,y\n'
    report = await take("points", text.encode())
    assert said(report) == [(3, "point", "cell.formula"), (4, "point", "cell.formula")]
    assert report.errors == 0
    stored = await ask("SELECT code, address FROM metering_point ORDER BY 1")
    assert stored == [("00123", "+86 road"), ("=A1", "y"), ("=x", "it's")]


async def test_dates_of_spreadsheets_are_read_where_the_year_comes_first(take: Any, street: None, ask: Any) -> None:
    header = "serial,manufacturer,point,installed_at,removed_at\n"
    rows = "7,KAM,P-601,2024/9/1,2024年12月31日\n8,KAM,P-602,2024-09-01 8:05,2025.1.2 08:05\n9,KAM,,01/09/2024,\n"
    report = await take("meters", (header + rows).encode(), skip_bad=True)
    assert said(report) == [(4, "installed_at", "cell.unreadable")]
    assert "2025-10-01" in report.problems[0].message
    spans = await ask(
        "SELECT lower(period)::text, upper(period)::text FROM installation JOIN meter USING (meter_id)"
        " WHERE serial IN ('7', '8') ORDER BY serial"
    )
    assert spans == [
        ("2024-09-01 00:00:00+00", "2024-12-31 00:00:00+00"),
        ("2024-09-01 08:05:00+00", "2025-01-02 08:05:00+00"),
    ]


async def test_excel_formulas_gaps_and_columns_without_a_name(pool: Any, tmp_path: Path, ask: Any) -> None:
    book = openpyxl.Workbook()
    for row in (
        ("point", None, "area", "heated_area_m2", None),
        ("P1", "note", "A1", 80, None),
        (None, None, None, None, None),
        ("P2", None, "A1", "=D2*2", None),
        ("P3", None, "A1", 60.25, None),
    ):
        book.active.append(row)
    path = tmp_path / "points.xlsx"
    book.save(path)
    report = await import_file(pool, "points", path, ImportOptions(skip_bad=True), now=NOW)
    assert (said(report), report.written) == ([(4, "", "row.shape")], 2)
    assert "never calculated" in report.problems[0].message
    assert await ask("SELECT code, heated_area_m2::text FROM metering_point ORDER BY 1") == [
        ("P1", "80.00"),
        ("P3", "60.25"),
    ]


async def test_a_file_with_fewer_columns_leaves_other_facts_alone(take: Any, ask: Any) -> None:
    await take(
        "points",
        b"point,area,address,account,heated_area_m2,state,building\nP1,A1,Long Road 3 601,acc-1,80,vacant,House 3\n",
    )
    report = await take("points", b"point,area,address\nP1,A1,Short Road 5 601\n")
    assert (report.changed, report.errors) == (1, 0)
    stored = await ask(
        "SELECT address, account, heated_area_m2::int, building, s.state FROM metering_point"
        " JOIN point_state s USING (point_id)"
    )
    assert stored == [("Short Road 5 601", "acc-1", 80, "House 3", "vacant")]
    await take("points", b"point,area,account\nP1,A1,\n")
    assert await ask("SELECT account FROM metering_point") == [(None,)]


def test_a_workbook_too_large_for_memory_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "readings.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book, book.open("xl/sharedStrings.xml", "w") as part:
        for _ in range(65):
            part.write(bytes(1_000_000))
    with pytest.raises(InvalidInputError, match=r"65 MB unpacked where 64 are allowed: save the sheet as CSV"):
        column_names(path)


def test_a_sheet_tells_the_progress_bar_its_rows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for number in range(31):
        book.active.append([number, "x"])
    book.save(tmp_path / "points.xlsx")
    assert row_count(tmp_path / "points.xlsx") == 30


def test_dates_in_the_styles_of_chinese_workbooks_are_dates(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["serial", "time"])
    sheet.append(["1", datetime(2026, 1, 5, 8, 30)])  # noqa: DTZ001
    western, chinese = tmp_path / "western.xlsx", tmp_path / "chinese.xlsx"
    book.save(western)
    with zipfile.ZipFile(western) as given, zipfile.ZipFile(chinese, "w") as made:
        for name in given.namelist():
            part = given.read(name)
            if name == "xl/styles.xml":
                assert b'numFmtId="164"' in part
                part = part.replace(b'numFmtId="164" ', b'numFmtId="31" ').replace(
                    b'<numFmt numFmtId="31"', b'<numFmt numFmtId="164"'
                )
            made.writestr(name, part)
    for path in (western, chinese):
        (batch,) = batches(path, required=("time",))
        assert batch.table.column("time").to_pylist() == ["2026-01-05T08:30:00"]
