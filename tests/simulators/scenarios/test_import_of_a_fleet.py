"""What `heatbook simulate` writes is what `heatbook import` and `heatbook assess` take, scenario by scenario."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from simulators.season_drama import TURNS_OF_STATE

SMALL = {
    "demo": "--days 4",
    "season": "--meters 120 --days 100",
    "season-rich": "--meters 120 --days 100 --from 2024-11-01 --climate beijing --interval day",
    "chaos": "--meters 60 --days 14",
    "town": "--meters 140 --days 90 --interval day --display 10kWh",
    "training": "--meters 50 --interval day",
}


def heatbook(*arguments: str, url: str, data: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HEATBOOK_DATABASE_URL": url, "HEATBOOK_DATA": str(data)}
    return subprocess.run(
        [sys.executable, "-m", "api.cli.main", *arguments], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize("scenario", SMALL)
def test_a_scenario_is_imported_and_assessed(scenario: str, database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / scenario
    for step in (
        ["simulate", scenario, "--seed", "3", *SMALL[scenario].split(), "--out", str(folder)],
        ["import", str(folder)],
        ["assess"],
    ):
        done = heatbook(*step, url=database_url, data=tmp_path / "data")
        assert done.returncode == 0, done.stderr
    with psycopg.connect(database_url) as connection:

        def one(query: str) -> int:
            return int((connection.execute(query).fetchone() or (0,))[0])

        assert one("SELECT count(*) FROM metering_point") == _lines(folder / "points.csv")
        assert one("SELECT count(*) FROM meter") == _lines(folder / "meters.csv")
        assert one("SELECT count(*) FROM weather") == _lines(folder / "weather.csv")
        assert one("SELECT count(*) FROM consumption") > 0
        assert one("SELECT count(*) FROM alert") > 0
        turned = connection.execute(
            "SELECT p.code FROM point_state JOIN metering_point p USING (point_id) GROUP BY 1 HAVING count(*) > 1"
        ).fetchall()
    told = {line.split(",")[0] for line in (folder / "states.csv").read_text(encoding="utf-8").splitlines()[1:]}
    assert {code for (code,) in turned} == told
    if scenario == "season":
        labels = (folder / "labels.csv").read_text(encoding="utf-8")
        assert told
        assert all(name in labels for name in TURNS_OF_STATE)


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) - 1
