"""Bulk formats tell the same figures in every shape, whatever the texts hold and however many chunks it takes."""

import csv
import io
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from openpyxl import load_workbook

from api.billing import columns, formats

ODD = [
    'a "quoted", one',
    "tab\tand\nline",
    "back\\slash \x01",
    "=SUM(A1)",
    "热量表 7 号",
    "'; DROP TABLE person; --",
    "",
]


@pytest.fixture
async def stored(service, monkeypatch):
    """Twelve quantities of a period with odd texts, extreme and missing figures; an adjustment of the third."""
    monkeypatch.setattr(columns, "CHUNK", 5)
    async with service.pool.connection() as connection:
        await connection.execute("INSERT INTO area (code, name) VALUES ('A1', 'A1'), ('A2', 'A2')")
        await connection.execute(
            "INSERT INTO billing_period (code, start_date, end_date) VALUES ('x', '2026-1-1', '2026-2-1')"
        )
        for number in range(12):
            odd = ODD[number % len(ODD)]
            await connection.execute(
                "INSERT INTO metering_point (code, area_id, account) VALUES (%s, %s, %s)",
                (f"P-{number:02} {odd}", 1 + number % 2, f"{odd}{number}" if number % 3 else None),
            )
        await connection.execute(
            """
            INSERT INTO billing_quantity (period_id, point_id, service, version, state, energy_j, volume_ml, cause,
                                          share_measured, degree_days, heated_area_m2)
            SELECT 1, point_id, s, 1, 'frozen', CASE point_id WHEN 1 THEN NULL WHEN 2 THEN -1801 WHEN 4 THEN 5400
                   ELSE point_id::int8 * 7919333000 END, CASE WHEN s = 2 THEN 1500 END, account, 0.987654, 412.53, 89.5
            FROM metering_point, generate_series(1, 2) s WHERE s = 1 OR point_id = 3
            """
        )
        await connection.execute(
            """
            INSERT INTO billing_quantity (period_id, point_id, service, version, state, energy_j, previous_id, cause)
            SELECT 1, point_id, 1, 2, 'adjustment', 42, quantity_id, 'late' FROM billing_quantity
            WHERE point_id = 3 AND service = 1
            """
        )
    return service.caller("billing")


async def _pull(caller, form, **params):
    answer = await caller.get("/api/v1/billing/quantities", params={"period": "x", "format": form, **params})
    assert answer.status_code == 200, answer.text
    return answer


async def test_every_format_tells_what_the_pages_tell(stored):
    pages, cursor = [], None
    while True:
        page = (await _pull(stored, "json", limit=4, **({"cursor": cursor} if cursor else {}))).json()
        pages += page["items"]
        if (cursor := page["next"]) is None:
            break
    assert len(pages) == 13
    table = pa.ipc.open_stream((await _pull(stored, "arrow")).content).read_all().to_pylist()
    lines = [json.loads(line) for line in (await _pull(stored, "jsonl")).text.splitlines()]
    sheet = list(csv.DictReader(io.StringIO((await _pull(stored, "csv")).text, newline="")))
    for page, row, line, cells in zip(pages, table, lines, sheet, strict=True):
        for name in (
            "quantity_id",
            "point",
            "account",
            "service",
            "version",
            "state",
            "energy_j",
            "volume_ml",
            "cause",
        ):
            assert row[name] == line[name] == page[name], name
            assert cells[name] == ("" if page[name] is None else str(page[name])), name
        for name in ("energy_kwh", "energy_mwh", "energy_gj", "volume_m3", "heated_area_m2"):
            assert line[name] == page[name] == (None if row[name] is None else str(row[name])), name
            assert cells[name] == (page[name] or ""), name
        for name in ("share_measured", "degree_days", "days_in_service"):
            assert row[name] == line[name] == page[name], name
    by_point = {row["point"][:4]: row for row in table if row["service"] == 1}
    assert (by_point["P-02"]["version"], by_point["P-02"]["energy_j"]) == (2, 42)
    # Half of the last digit goes to the even neighbour: -1801 J are -0.001 kWh, 5400 J are 0.002 kWh.
    assert (by_point["P-01"]["energy_kwh"], by_point["P-03"]["energy_kwh"]) == (Decimal("-0.001"), Decimal("0.002"))


async def test_a_bulk_pull_keeps_to_states_and_areas(stored, service):
    adjusted = (await _pull(stored, "jsonl", state="adjustment")).text.splitlines()
    assert [json.loads(line)["energy_j"] for line in adjusted] == [42]
    made = await service.caller("admin").post("/api/v1/keys", json={"name": "east", "role": "billing", "areas": ["A2"]})
    caller = service.caller(None)
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    answer = await caller.get("/api/v1/billing/quantities", params={"period": "x", "format": "csv"}, headers=headers)
    assert {line["area"] for line in csv.DictReader(io.StringIO(answer.text, newline=""))} == {"A2"}


async def test_a_workbook_begins_another_sheet_where_one_is_full(stored, monkeypatch):
    monkeypatch.setattr(formats, "_XLSX_ROWS", 6)
    book = load_workbook(io.BytesIO((await _pull(stored, "xlsx")).content))
    assert [(sheet.title, sheet.max_row) for sheet in book] == [("x", 7), ("x 2", 7), ("x 3", 2)]
    cells = [row[2] for sheet in book for row in sheet.iter_rows(min_row=2, values_only=True)]
    assert len(set(cells)) == 12
    assert not any(str(cell).startswith("=") for row in book["x"].iter_rows(values_only=True) for cell in row)


async def test_a_renamed_account_shows_in_the_next_pull_and_an_empty_period_is_an_empty_table(stored, service):
    async with service.pool.connection() as connection:
        await connection.execute("UPDATE metering_point SET account = 'new tenant' WHERE point_id = 3")
        await connection.execute(
            "INSERT INTO billing_period (code, start_date, end_date) VALUES ('later', '2027-1-1', '2027-2-1')"
        )
    rows = pa.ipc.open_stream((await _pull(stored, "arrow")).content).read_all().to_pylist()
    assert [row["account"] for row in rows if row["point"].startswith("P-02")] == ["new tenant"] * 2
    empty = await stored.get(
        "/api/v1/billing/quantities", params={"period": "later", "format": "arrow", "state": "frozen"}
    )
    table = pa.ipc.open_stream(empty.content).read_all()
    assert (table.num_rows, table.schema) == (0, columns.SCHEMA)
