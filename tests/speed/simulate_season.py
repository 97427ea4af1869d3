"""How fast and how small the heating year is written: readings a second, peak memory, as files.

``python -m tests.speed.simulate_season [meters] [seed]`` (10,000 meters by default) simulates in a process of its own
and prints the table; the rate is also given as a share of what NumPy copies in the same process, so that two machines
can be compared.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from simulators.catalogue import fleet_of
from simulators.files import write_fleet


def copy_rate(seconds: float = 1.0) -> float:
    """Values of 8 bytes that one thread copies in a second."""
    source = np.random.default_rng(1).random(4_000_000)
    target = np.empty_like(source)
    began, copies = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        np.copyto(target, source)
        copies += 1
    return copies * len(source) / (time.perf_counter() - began)


def measure(meters: int, seed: int) -> None:
    """Simulate one season into a scratch folder and print a row."""
    began = time.perf_counter()
    fleet = fleet_of("season", meters=meters, seed=seed)
    planned = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        written = write_fleet(fleet, Path(folder))
        took = time.perf_counter() - began
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    cpu = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{meters:>8} {fleet.hours:>6} {written.readings:>12,} {planned:>8.2f} {took:>8.1f} {cpu:>8.1f}", end=" ")
    print(f"{written.readings / took / 1e6:>7.2f} {written.readings / took / copy_rate():>9.5f} {peak:>9.0f}", end=" ")
    print(f"{size / written.readings:>7.2f}", flush=True)


def main() -> None:
    """One process a size, so that each has its own peak."""
    if len(sys.argv) > 3:
        measure(int(sys.argv[2]), int(sys.argv[3]))
        return
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = sys.argv[2] if len(sys.argv) > 2 else "1"
    print("  meters  hours     readings   plan s  total s    cpu s M rows/s  of a copy  peak MiB  B/row")
    for meters in sorted({max(largest // 16, 120), max(largest // 4, 120), largest}):
        subprocess.run([sys.executable, __file__, "measure", str(meters), seed], check=True)


if __name__ == "__main__":
    main()
