"""Migrations: forward only, once, whole, and the same wherever the checkout came from."""

import threading
from typing import Any

import psycopg
import pytest
from psycopg import sql

from api.embedded import EmbeddedPostgres
from ingest.errors import UnavailableError
from ingest.store import database
from ingest.store.database import MigrationError, Step, connect_sync, migrate, steps
from protocols.units import _FACTORS, factor


@pytest.fixture
def empty_url(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> Any:
    """URL of a database without a schema."""
    name = f"empty_{abs(hash(request.node.name))}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield postgres.url(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_a_new_database_gets_every_step_and_a_second_run_none(empty_url: str) -> None:
    applied = migrate(empty_url)
    assert [step.name for step in steps() if step.flavour in (None, "plain")] == applied[1:]
    assert migrate(empty_url) == []


def test_two_processes_migrating_at_once_do_not_race(empty_url: str) -> None:
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(empty_url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(result) > 0 for result in results) == [False, False, True]


def test_an_edited_file_is_refused_by_name(empty_url: str) -> None:
    migrate(empty_url)
    with connect_sync(empty_url, autocommit=True) as connection:
        connection.execute("UPDATE schema_migration SET checksum = 'other' WHERE name = '0002_stream'")
    with pytest.raises(MigrationError, match="0002_stream was changed"):
        migrate(empty_url)


def test_a_database_of_a_newer_program_is_refused(empty_url: str) -> None:
    migrate(empty_url)
    with connect_sync(empty_url, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migration VALUES ('9999_future', '', 'plain', 0)")
    with pytest.raises(MigrationError, match="9999_future"):
        migrate(empty_url)


def test_a_step_that_fails_leaves_nothing_behind(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = steps()
    text = "CREATE TABLE half (n int); CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $x$SELECT ';' $x$; SELECT 1/0;"
    monkeypatch.setattr(database, "steps", lambda: (*whole, Step("9000_broken", None, text)))
    with pytest.raises(MigrationError, match="9000_broken failed"):
        migrate(empty_url)
    with connect_sync(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('half'), to_regclass('reading')").fetchone() == (None, "reading")
    monkeypatch.setattr(database, "steps", lambda: (*whole, Step("9000_broken", None, text.replace("1/0", "1"))))
    assert migrate(empty_url) == ["9000_broken"]


def test_line_ends_of_the_checkout_do_not_change_a_checksum() -> None:
    assert Step("a", None, "SELECT 1;\r\n").checksum == Step("a", None, "SELECT 1;\n").checksum


def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(UnavailableError):
        migrate("postgresql://nobody@127.0.0.1:1/none")


def test_units_of_the_views_are_those_of_the_protocols(database_url: str) -> None:
    with connect_sync(database_url) as connection:
        rows = connection.execute("SELECT unit, usual_unit, numerator, denominator FROM unit_conversion").fetchall()
    assert {unit for unit, *_ in rows} == set(_FACTORS)
    for unit, usual, numerator, denominator in rows:
        assert factor(unit, usual) * int(denominator) == int(numerator)


@pytest.mark.node
def test_timescale_makes_hypertables_of_the_stream(timescale_url: str) -> None:
    with psycopg.connect(timescale_url, autocommit=True, prepare_threshold=None) as connection:
        rows = connection.execute(
            "SELECT hypertable_name, compression_enabled FROM timescaledb_information.hypertables"
            " WHERE hypertable_schema = 'public' ORDER BY 1"
        ).fetchall()
        assert rows == [("consumption", True), ("delivery", True), ("meter_reading", True), ("meter_status", True)]
        assert database.flavour_of(connection) == "timescale"
    assert migrate(timescale_url) == []
