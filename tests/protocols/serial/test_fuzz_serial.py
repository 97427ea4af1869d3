"""A short run of the fuzz script: mutated messages end in a telegram or in an error of the package, in nothing else."""

import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "speed" / "fuzz_serial.py"))


@pytest.mark.parametrize("task", SCRIPT["TASKS"], ids=[task[0] for task in SCRIPT["TASKS"]])
def test_mutated_messages_raise_nothing_foreign(task: object) -> None:
    outcomes, _ = SCRIPT["fuzz"](task, 6000, 20261122)
    assert outcomes.total() == 6000
    assert outcomes["decoded"] > 1000
