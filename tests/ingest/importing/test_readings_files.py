"""readings.csv and Parquet: exact counts, traceable rows, nothing twice, refusals by row."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.importing import columns as importing_columns
from ingest.importing import readings as importing_readings
from ingest.importing.door import ImportOptions, import_file

NOW = datetime(2026, 2, 1, tzinfo=UTC)
ENERGY = (
    "SELECT r.ts, r.value, r.version FROM reading r JOIN register g USING (register_id) JOIN meter m USING (meter_id)"
    " WHERE m.serial = %s AND g.name = %s ORDER BY 1, 3"
)


def found(report: Any) -> list[tuple[int, str, str]]:
    return [(item.row, item.column, item.code) for item in report.problems]


async def test_values_become_exact_counts_of_the_register(street: None, bring: Any, ask: Any) -> None:
    report = await bring(
        "readings",
        "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,1300,kWh\n"
        "601,KAM,2026-01-01T01:00:00+01:00,heat_energy,1.301,MWh\n"
        "00000602,KAM,2026-01-01T00:00:00Z,heat_energy,12.35,MWh\n"
        "00000603,LUG,2026-01-01T00:00:00Z,heat_energy,1000,kWh\n",
    )
    assert report.written == 4
    assert [row[1:] for row in await ask(ENERGY, "00000601", "energy")] == [(1300, 0), (1301, 1)]
    assert await ask(ENERGY, "00000602", "energy") == [(datetime(2026, 1, 1, tzinfo=UTC), 1235, 0)]
    assert [row[1] for row in await ask(ENERGY, "00000603", "energy")] == [3600]


async def test_a_value_finer_than_the_last_digit_is_refused_with_its_row(street: None, bring: Any) -> None:
    report = await bring(
        "readings",
        "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,1300,kWh\n00000601,KAM,2026-01-01T01:00:00Z,heat_energy,1300.5,kWh\n",
    )
    assert (report.written, report.refused, found(report)) == (1, 1, [(3, "value", "value.finer")])


async def test_a_missing_register_is_as_fine_as_the_files_values(street: None, bring: Any, ask: Any) -> None:
    await bring(
        "readings",
        "00000601,KAM,2026-01-01T00:00:00Z,volume,12.50,m3\n00000601,KAM,2026-01-01T01:00:00Z,volume,12.625,m3\n"
        "00000601,KAM,2026-01-01T00:00:00Z,supply_temperature,70,°C\n",
    )
    assert await ask("SELECT name, unit, scale FROM register WHERE name <> 'energy' ORDER BY 1") == [
        ("supply_temperature", "°C", -1),
        ("volume", "m3", -3),
    ]


async def test_a_register_is_as_fine_as_the_end_of_the_file_shows(
    street: None, bring: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing_readings, "CHUNK_ROWS", 2)
    hours = [f"00000601,KAM,2026-01-01T{hour:02d}:00:00Z,volume,{12 + max(0, hour - 3) / 8},m3" for hour in range(6)]
    report = await bring("readings", "\n".join(hours) + "\n")
    assert (report.written, report.refused) == (6, 0)
    assert await ask("SELECT scale FROM register WHERE name = 'volume'") == [(-3,)]
    assert [row[1] for row in await ask(ENERGY, "00000601", "volume")] == [12000] * 4 + [12125, 12250]


async def test_what_cannot_be_a_reading_is_refused_and_the_rest_is_stored(street: None, bring: Any) -> None:
    rows = [
        "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,,kWh",
        "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,NaN,kWh",
        "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,1.8e21,kWh",
        "00000601,KAM,yesterday,heat_energy,5,kWh",
        "00000601,KAM,2031-01-01T00:00:00Z,heat_energy,5,kWh",
        "00000601,KAM,1999-01-01T00:00:00Z,heat_energy,5,kWh",
        "00000601,KAM,2026-01-01T00:00:00Z,enthusiasm,5,kWh",
        "00000601,KAM,2026-01-01T00:00:00Z,volume,5,kWh",
        "77777777,KAM,2026-01-01T00:00:00Z,heat_energy,5,kWh",
        "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,1300,kWh",
    ]
    report = await bring("readings", "\n".join(rows) + "\n")
    assert (report.written, report.refused) == (1, 9)
    assert sorted(found(report)) == [
        (2, "value", "value.missing"),
        (3, "value", "value.missing"),
        (4, "value", "value.missing"),
        (5, "time", "cell.unreadable"),
        (6, "time", "time.future"),
        (7, "time", "time.past"),
        (8, "quantity", "quantity.unknown"),
        (9, "unit", "unit.unknown"),
        (10, "serial", "meter.unknown"),
    ]


async def test_a_file_imported_again_and_under_another_name_stores_nothing_twice(
    street: None, bring: Any, ask: Any, pool: Any, tmp_path: Path
) -> None:
    text = "".join(f"00000601,KAM,2026-01-{day:02d}T00:00:00Z,heat_energy,{1300 + day},kWh\n" for day in range(1, 29))
    assert (await bring("readings", text)).written == 28
    again = await bring("readings", text)
    assert (again.written, again.unchanged) == (0, 28)
    (tmp_path / "copy.csv").write_text((tmp_path / "readings.csv").read_text())
    other = await import_file(pool, "readings", tmp_path / "copy.csv", ImportOptions(), now=NOW)
    assert (other.written, other.unchanged) == (0, 28)
    assert await ask("SELECT count(*) FROM reading") == [(28,)]


async def test_rows_of_a_meter_registered_later_are_taken_when_the_file_comes_again(street: None, bring: Any) -> None:
    text = (
        "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,1300,kWh\n00000604,KAM,2026-01-01T00:00:00Z,heat_energy,5,kWh\n"
    )
    assert (await bring("readings", text)).written == 1
    await bring("meters", "00000604,KAM,heat,m603,,,,kWh,7,0,0.6\n")
    assert (await bring("readings", text)).written == 1


async def test_every_reading_leads_back_to_the_rows_of_its_file(street: None, bring: Any, ask: Any) -> None:
    await bring("readings", "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,1300,kWh\n")
    [(payload, protocol, details)] = await ask(
        "SELECT d.payload, d.protocol, d.details FROM reading JOIN delivery d USING (delivery_id)"
    )
    assert (protocol, details["file"], details["first_row"], details["rows"]) == ("import", "readings.csv", 2, 1)
    with pa.ipc.open_stream(io.BytesIO(payload)) as stream:
        assert stream.read_all().column("value").to_pylist() == ["1300"]


async def test_parquet_with_doubles_counts_like_text(street: None, pool: Any, tmp_path: Path, ask: Any) -> None:
    table = pa.table(
        {
            "serial": pa.array(["00000602"] * 3).dictionary_encode(),
            "manufacturer": ["KAM"] * 3,
            "time": pa.array([datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)], pa.timestamp("us", "UTC")),
            "quantity": ["heat_energy"] * 3,
            "value": pa.array([12.35, float("nan"), 12.37]),
            "unit": ["MWh"] * 3,
        }
    )
    pq.write_table(table, tmp_path / "readings.parquet")
    report = await import_file(pool, "readings", tmp_path / "readings.parquet", ImportOptions(), now=NOW)
    assert (report.written, found(report)) == (2, [(3, "value", "value.missing")])
    assert [row[1] for row in await ask(ENERGY, "00000602", "energy")] == [1235, 1237]


async def test_info_codes_and_clocks_become_statements_of_the_meter(street: None, bring: Any, ask: Any) -> None:
    await bring(
        "readings",
        "00000601,KAM,2026-01-01T00:00:00Z,info_code,16,\n00000601,KAM,2026-01-01T00:00:00Z,meter_time,1767225720,s\n"
        "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,1300,kWh\n",
    )
    assert await ask("SELECT ts, info_code, meter_time FROM meter_status") == [
        (datetime(2026, 1, 1, tzinfo=UTC), 16, datetime(2026, 1, 1, 0, 2, tzinfo=UTC))
    ]


async def test_imported_readings_mark_their_meter_for_assessment(street: None, bring: Any, ask: Any) -> None:
    await ask("DELETE FROM touched RETURNING 1")
    await bring(
        "readings",
        "00000601,KAM,2026-01-03T00:00:00Z,heat_energy,1301,kWh\n00000601,KAM,2026-01-02T00:00:00Z,heat_energy,1300,kWh\n",
    )
    assert await ask("SELECT m.serial, t.from_ts FROM touched t JOIN meter m USING (meter_id)") == [
        ("00000601", datetime(2026, 1, 2, tzinfo=UTC))
    ]


async def test_a_dry_run_writes_nothing_at_all(street: None, bring: Any, ask: Any) -> None:
    report = await bring("readings", "00000601,KAM,2026-01-01T00:00:00Z,volume,1.5,m3\n", dry_run=True)
    assert (report.errors, report.rows) == (0, 1)
    assert await ask(
        "SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM register WHERE name = 'volume')"
    ) == [(0, 0)]


async def test_times_without_an_offset_are_in_the_zone_that_was_named(street: None, bring: Any, ask: Any) -> None:
    from zoneinfo import ZoneInfo

    await bring("readings", "00000601,KAM,2026-01-01T08:00:00,heat_energy,1300,kWh\n", zone=ZoneInfo("Asia/Shanghai"))
    assert (await ask(ENERGY, "00000601", "energy"))[0][0] == datetime(2026, 1, 1, tzinfo=UTC)


async def test_weather_is_kept_per_area_and_replaced_when_it_differs(street: None, bring: Any, ask: Any) -> None:
    first = await bring("weather", "A1,2026-01-01T00:00:00Z,-4.5\nA1,2026-01-01T01:00:00Z,-5\nA1,x,1\n")
    again = await bring("weather", "A1,2026-01-01T00:00:00Z,-4.5\nA1,2026-01-01T01:00:00Z,-6\n")
    assert (first.written, first.refused, again.written, again.unchanged) == (2, 1, 1, 1)
    assert await ask("SELECT temperature_c FROM weather ORDER BY ts") == [(-4.5,), (-6.0,)]


@given(st.lists(st.integers(-(10**9), 10**12), min_size=1, max_size=20), st.integers(0, 4))
def test_text_and_doubles_give_the_count_that_decimals_give(counts: list[int], decimals: int) -> None:
    texts = [format(Decimal(count).scaleb(-decimals), "f") for count in counts]
    rows = np.arange(len(counts))
    ratio = Fraction(10**decimals)
    for column in (pa.array(texts), pa.array([float(text) for text in texts])):
        got, wrong = importing_columns.values(column).counts(rows, ratio)
        assert not wrong.any()
        assert got.tolist() == counts
