"""A short run of the fuzzer: nothing but coded errors comes out of mutated frames."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def test_mutated_frames_raise_nothing_foreign():
    done = subprocess.run(
        [sys.executable, "tests/speed/fuzz_mbus.py", "15000", "7"],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
