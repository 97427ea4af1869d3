"""A database with one row a reading becomes one with a row a meter's instant, and says the same as before."""

from typing import Any

import psycopg
import pytest
from psycopg import sql

from api.embedded import EmbeddedPostgres
from ingest.store import database
from ingest.store.database import migrate, steps

# Ten registers of a meter and one of another; a differing value, a flag, registers that came apart, late ones.
_OLD = (
    "INSERT INTO meter (serial) VALUES ('1'), ('2')",
    (
        "INSERT INTO register (meter_id, name, quantity, unit, scale) SELECT 1, 'r' || k, 'power', 'kW', 0"
        " FROM generate_series(1, 10) k ORDER BY k"
    ),
    "INSERT INTO register (meter_id, name, quantity, unit, scale) VALUES (2, 'energy', 'heat_energy', 'kWh', 0)",
    (
        "INSERT INTO reading (ts, value, delivery_id, register_id, version, flags)"
        " SELECT t, g * 1000 + extract(epoch FROM t)::int8 % 997, extract(epoch FROM t)::int8 / 3600, g, 0, 0"
        " FROM generate_series('2026-01-05'::timestamptz, '2026-01-06', '1 hour') t, generate_series(1, 11) g"
        " WHERE (g, extract(hour FROM t)) <> (3, 7)"
    ),
    (
        "INSERT INTO reading (ts, value, delivery_id, register_id, version, flags) VALUES"
        " ('2026-01-05 04:00+00', 5, 9000001, 2, 1, 1024), ('2026-01-05 04:00+00', 6, 9000002, 2, 2, 1024),"
        " ('2026-01-05 07:00+00', 7, 9000003, 3, 0, 4)"
    ),
)
_EVERYTHING = "SELECT register_id, ts, version, value, flags, delivery_id FROM reading ORDER BY 1, 2, 3"
_DAYS = "SELECT register_id, day, first_value, last_value, lowest, highest, readings FROM reading_daily ORDER BY 1, 2"
_UNITS = "SELECT ts, serial, register, value, unit, count FROM reading_in_units ORDER BY 2, 3, 1"


def upgraded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = steps()
    monkeypatch.setattr(database, "steps", lambda: tuple(step for step in whole if step.name < "0020"))
    migrate(url)
    before: list[Any] = []
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        for statement in _OLD:
            connection.execute(statement)  # type: ignore[arg-type]
        before += [connection.execute(query).fetchall() for query in (_EVERYTHING, _DAYS, _UNITS)]  # type: ignore[arg-type]
    assert len(before[0]) == 25 * 11 - 1 + 3
    monkeypatch.setattr(database, "steps", lambda: whole)
    assert set(migrate(url)) == {step.name for step in whole if step.name >= "0020"}
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
        assert [connection.execute(query).fetchall() for query in (_EVERYTHING, _DAYS, _UNITS)] == before  # type: ignore[arg-type]
        rows = connection.execute("SELECT count(*), max(part) FROM meter_reading WHERE meter_id = 1").fetchone()
        # Two banks an hour, and three rows for what differed or came apart.
        assert rows == (25 * 2 + 3, 2)


def test_on_plain_postgresql(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE upgraded_readings"))
    upgraded(postgres.url("upgraded_readings"), monkeypatch)


@pytest.mark.node
def test_on_timescaledb(new_timescale_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgraded(new_timescale_url, monkeypatch)
