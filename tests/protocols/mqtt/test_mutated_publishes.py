"""A short run of the fuzz script: mutated publishes of every family give coded errors and nothing else."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "speed" / "fuzz_mqtt.py"


def test_mutated_publishes_give_only_coded_errors():
    found = subprocess.run(
        [sys.executable, str(SCRIPT), "3000"], capture_output=True, text=True, timeout=240, check=False
    )
    print(found.stdout)
    assert found.returncode == 0, found.stderr[-2000:]
