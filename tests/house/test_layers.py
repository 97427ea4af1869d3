"""The floors hold, and the check that says so would notice if they did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocols", "compute", "ingest", "simulators", "api")


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
    )


def test_the_floors_hold() -> None:
    result = _lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("protocols/units.py", "import ingest.model", "The floors of the house"),
        ("compute/quality.py", "import api.embedded", "The floors of the house"),
        ("protocols/units.py", "import compute.quality", "The floors of the house"),
        ("compute/quality.py", "import asyncio", "The ground floor does no I/O"),
        ("protocols/errors.py", "import socket", "The ground floor does no I/O"),
        ("ingest/errors.py", "import simulators", "The floors of the house"),
    ],
)
def test_an_upward_import_is_caught(tmp_path: Path, module: str, statement: str, contract: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    broken = tmp_path / module
    broken.write_text(f"{broken.read_text()}\n{statement}\n")
    result = _lint(tmp_path)
    assert result.returncode != 0, result.stdout
    assert f"{contract} BROKEN" in result.stdout
