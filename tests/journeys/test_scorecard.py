"""An outsider measures the alerts: the command makes a town, imports it, judges it and tells what was right."""

import csv
import subprocess
import sys
from pathlib import Path

ASSESS = (sys.executable, "-m", "api.cli.main", "assess")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ASSESS, *words], capture_output=True, text=True, timeout=500, check=False)


def test_a_small_season_is_scored_and_its_page_written(tmp_path: Path) -> None:
    page, cases = tmp_path / "docs" / "scorecard.md", tmp_path / "cases.csv"
    page.parent.mkdir()
    done = run(
        "--scorecard", "season-rich", "--meters", "140", "--days", "100", "--seed", "3",
        "--page", str(page), "--cases", str(cases),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = dict(part.split(" ", 1) for part in done.stdout.splitlines()[-1].split(", ")[:2])
    # Every kind shows something at this size, and hardly any alert is false.
    assert float(figures["precision"]) >= 0.8
    assert float(figures["recall"]) >= 0.6
    assert " 0 zero-use alerts" in done.stdout
    text = page.read_text()
    assert "| unit_error |" in text
    assert "seeds 3" in text
    assert "<svg" in (page.parent / "pictures" / "scorecard.svg").read_text()
    with cases.open(newline="") as file:
        assert {row["what"] for row in csv.DictReader(file)} <= {"missed", "false"}


def test_labels_that_make_no_sense_are_refused_with_their_row(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text("point,area\nP1,north\n")
    (tmp_path / "labels.csv").write_text("point,kind,from,to\nP1,haunted,2025-01-01,\n")
    done = run("--scorecard", str(tmp_path))
    assert done.returncode == 1
    assert "haunted" in done.stderr
    assert "row 2" in done.stderr


def test_an_unknown_scenario_is_named(tmp_path: Path) -> None:
    done = run("--scorecard", "atlantis")
    assert done.returncode == 1
    assert "atlantis" in done.stderr
