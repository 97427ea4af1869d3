"""Export: what went in comes out, in every format, and can go in again."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest

from ingest.errors import InvalidInputError
from ingest.exporting.formats import write, write_file
from ingest.exporting.tables import lines_of
from ingest.importing.door import ImportOptions, import_file

SPAN = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2026, 2, 1, tzinfo=UTC)}
NOW = datetime(2026, 2, 1, tzinfo=UTC)
READINGS = (
    "00000601,KAM,2026-01-01T00:00:00Z,heat_energy,1300,kWh\n00000602,KAM,2026-01-01T00:00:00Z,heat_energy,12.35,MWh\n"
    "00000601,KAM,2026-01-01T00:00:00Z,volume,0.5,m3\n"
)


@pytest.fixture
def exported(database_url: str) -> Any:
    """Export as bytes in a format."""

    def run(what: str, form: str = "csv", **options: Any) -> bytes:
        target = io.BytesIO()
        with psycopg.connect(database_url, autocommit=True) as connection:
            write(what, lines_of(connection, what, **{**SPAN, **options}), form, target, lambda _: None)
        return target.getvalue()

    return run


async def test_readings_come_out_as_they_went_in(street: None, bring: Any, exported: Any, tmp_path: Path) -> None:
    await bring("readings", READINGS)
    lines = exported("readings").decode().splitlines()
    assert lines[0] == "serial,manufacturer,time,quantity,value,unit,register,version,flags,delivery"
    assert "00000602,KAM,2026-01-01T00:00:00Z,heat_energy,12.35,MWh,energy,0,,1" in lines
    objects = [json.loads(line) for line in exported("readings", "jsonl").splitlines()]
    assert {"time": "2026-01-01T00:00:00Z", "value": 0.5, "unit": "m3"}.items() <= objects[-1].items() or len(
        objects
    ) == 3
    (tmp_path / "r.parquet").write_bytes(exported("readings", "parquet"))
    assert pq.read_table(tmp_path / "r.parquet").num_rows == 3


async def test_an_exported_registry_can_be_imported_again(
    street: None, exported: Any, pool: Any, tmp_path: Path
) -> None:
    for what in ("points", "meters"):
        for form in ("csv", "xlsx"):
            path = tmp_path / f"{what}.{form}"
            path.write_bytes(exported(what, form))
            report = await import_file(pool, what, path, ImportOptions(), now=NOW)
            assert (report.errors, report.written, report.changed, report.unchanged) == (0, 0, 0, 3), report.problems


async def test_consumption_sums_to_months_and_shows_what_was_known(
    street: None, exported: Any, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for version, energy, known_from, known_to in (
            (1, 3_600_000, "2026-01-03", "2026-01-10"),
            (2, 7_200_000, "2026-01-10", "infinity"),
        ):
            connection.execute(
                "INSERT INTO consumption (point_id, start_at, resolution, duration_s, energy_j, volume_ml,"
                " flags, method, version,"
                " known_from, known_to, run_id, rule_set_id) SELECT point_id, '2026-01-02', 1, 3600, %s,"
                " 1500, 32768, 1, %s,"
                " %s, %s, 1, 1 FROM metering_point WHERE code = 'P-601'",
                (energy, version, known_from, known_to),
            )
        connection.execute(
            "INSERT INTO consumption (point_id, start_at, resolution, duration_s, energy_j, known_from,"
            " run_id, rule_set_id)"
            " SELECT point_id, t, 2, 86400, 1000, '2026-01-03', 1, 1 FROM metering_point,"
            " generate_series('2025-12-31T16:00Z'::timestamptz, '2026-03-30T16:00Z', '1 day') t WHERE code = 'P-601'"
        )
    now = exported("consumption").decode().splitlines()
    assert now[1] == "P-601,2026-01-02T00:00:00Z,2026-01-02T01:00:00Z,2,0.0015,estimated,linear,2,1"
    then = exported("consumption", known_at=datetime(2026, 1, 5, tzinfo=UTC)).decode().splitlines()
    assert then[1].split(",")[3] == "1"
    span = {"start": datetime(2025, 12, 31, 16, tzinfo=UTC), "end": datetime(2026, 4, 1, tzinfo=UTC)}
    months = exported("consumption", interval="month", **span).decode()
    assert [line.split(",")[1:4] for line in months.splitlines()[1:]] == [
        ["2025-12-31T16:00:00Z", "2026-01-31T16:00:00Z", "0.008611111"],
        ["2026-01-31T16:00:00Z", "2026-02-28T16:00:00Z", "0.007777778"],
        ["2026-02-28T16:00:00Z", "2026-03-31T16:00:00Z", "0.008611111"],
    ]
    line = json.loads(exported("consumption", "jsonl").splitlines()[0])
    assert (line["energy_kwh"], line["flags"], line["method"]) == (2, ["estimated"], "linear")


async def test_an_alert_line_has_its_explanation_and_no_made_up_end(
    street: None, exported: Any, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO alert (point_id, meter_id, kind, severity, from_ts, explanation,"
            " energy_at_stake_kwh, confidence)"
            " SELECT point_id, meter_id, 'zero_use', 'warning', '2026-01-02', '{\"hours\": 80}', 12.5, 0.9"
            " FROM installation LIMIT 1"
        )
    line = json.loads(exported("alerts", "jsonl"))
    assert list(line) == [
        "point", "serial", "kind", "severity", "from", "to", "state", "explanation", "energy_at_stake_kwh",
        "confidence",        "incident",
    ]  # fmt: skip
    assert (line["kind"], line["to"], line["explanation"], line["confidence"]) == ("zero_use", None, {"hours": 80}, 0.9)


async def test_text_that_a_spreadsheet_would_run_is_defused(bring: Any, exported: Any) -> None:
    await bring("points", '"=HYPERLINK(1)",A1,@x,dwelling,active,1,1\n')
    assert "'=HYPERLINK(1)" in exported("points").decode()


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Any:
        yield [["P1"]] * 14
        raise RuntimeError("the connection is gone")

    with pytest.raises(RuntimeError):
        write_file("points", broken(), "csv", tmp_path / "points.csv", lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_wrong_wishes_are_refused(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for what, options in (
            ("secrets", {}),
            ("consumption", {"interval": "minute"}),
            ("alerts", {"end": SPAN["start"]}),
        ):
            with pytest.raises(InvalidInputError):
                lines_of(connection, what, **{**SPAN, **options})
