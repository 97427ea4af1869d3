"""The commands import, export, replay, backup and restore, as an operator types them."""

import csv
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner, Result

from api.cli.main import app
from api.embedded import EmbeddedPostgres

POINTS = "point,area,address\nP1,A1,Road 1 101\nP2,A1,Road 1 102\n"
METERS = (
    "serial,manufacturer,point,installed_at,initial_index,energy_unit,energy_digits,energy_scale\n"
    "1,KAM,P1,2025-10-01,100,kWh,7,0\n2,KAM,P2,2025-10-01,200,kWh,7,0\n"
)
READINGS = "serial,manufacturer,time,quantity,value,unit\n" + "".join(
    f"1,KAM,2026-01-01T{hour:02d}:00:00Z,heat_energy,{100 + hour},kWh\n" for hour in range(24)
)


@pytest.fixture
def heatbook(database_url: str) -> Any:
    """Run a command on the test's database."""

    def run(*arguments: str, url: str = database_url) -> Result:
        return CliRunner().invoke(app, [*arguments, "--database-url", url])

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of a small registry."""
    for name, text in (("points", POINTS), ("meters", METERS), ("readings", READINGS)):
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_a_folder_goes_in_and_readings_come_out(heatbook: Any, folder: Path) -> None:
    planned = heatbook("import", str(folder), "--dry-run")
    assert planned.exit_code == 0, planned.output
    done = heatbook("import", str(folder))
    assert "readings: 24 rows, 24 new" in done.output
    out = heatbook("export", "readings", "--from", "2026-01-01", "--to", "2026-01-02", "--out", str(folder / "out.csv"))
    assert out.exit_code == 0, out.output
    with (folder / "out.csv").open() as file:
        assert [row["value"] for row in csv.DictReader(file)] == [str(100 + hour) for hour in range(24)]


def test_a_wrong_file_fails_and_its_problems_can_be_had_as_a_list(heatbook: Any, folder: Path) -> None:
    (folder / "points.csv").write_text("point,area,kind\nP1,A1,castle\n")
    result = heatbook("import", str(folder), "--problems", str(folder / "problems.csv"))
    assert result.exit_code == 1
    assert "row 2, kind" in result.output
    with (folder / "problems.csv").open() as file:
        assert [row["code"] for row in csv.DictReader(file)] == ["cell.choice"]


def test_replay_with_nothing_in_quarantine_says_so(heatbook: Any, tmp_path: Path) -> None:
    result = heatbook("replay", "--preview", "--data", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "0 deliveries" in result.output


def test_a_backup_goes_back_into_an_empty_database_and_nowhere_else(
    heatbook: Any, folder: Path, postgres: EmbeddedPostgres
) -> None:
    heatbook("import", str(folder))
    file = folder / "heatbook.dump"
    assert heatbook("backup", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o077 == 0
    refused = heatbook("restore", str(file))
    assert (refused.exit_code, "not empty" in refused.output) == (1, True)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("restored")))
        try:
            done = heatbook("restore", str(file), url=postgres.url("restored"))
            assert done.exit_code == 0, done.output
            with psycopg.connect(postgres.url("restored")) as restored:
                assert restored.execute("SELECT count(*), sum(value)::int FROM reading").fetchone() == (24, 2676)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier("restored")))
