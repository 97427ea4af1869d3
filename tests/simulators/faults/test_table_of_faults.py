"""The table of docs/simulators.md names every fault of the catalogue as it is, and tests that exist."""

import re
from pathlib import Path

from simulators.faults import KINDS

ROOT = Path(__file__).parents[3]
LINE = re.compile(r"^\| `(\w+)` \| (\w+) \| (\w+) \|.*\| ([^|]+) \| (\w+) \|$", re.MULTILINE)


def test_the_table_says_what_the_catalogue_says() -> None:
    page = (ROOT / "docs" / "simulators.md").read_text(encoding="utf-8")
    told = {name: (layer, label, verdict.strip()) for name, layer, label, verdict, _ in LINE.findall(page)}
    assert told == {name: (str(kind.layer), kind.label, kind.verdict) for name, kind in KINDS.items()}


def test_the_tests_it_names_exist() -> None:
    page = (ROOT / "docs" / "simulators.md").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "simulators").rglob("test_*.py"))
    missing = [name for *_, name in LINE.findall(page) if f"def test_{name}(" not in sources]
    assert not missing
