"""`make bench`: every benchmark in a process of its own, one after the other; names on the command line choose.

Each prints ratios to something measured in the same run: absolute figures of a shared machine mean little.
"""

import subprocess
import sys
import time

BENCHMARKS = (
    "mbus_decode",
    "cjt188_decode",
    "json_decode",
    "ingest_write",
    "mqtt_ingest",
    "series_read",
    "storage",
    "engine_year",
    "incremental",
    "bulk_pull",
    "poller",
    "console",
    "simulate_season",
    "live_town",
)


def main() -> int:
    """Run the chosen benchmarks; exit code 1 where one failed."""
    chosen = sys.argv[1:] or BENCHMARKS
    failed = []
    for number, name in enumerate(chosen, start=1):
        print(f"\n== {name} ({number} of {len(chosen)})", flush=True)
        began = time.monotonic()
        if subprocess.run([sys.executable, "-m", f"tests.speed.{name}"], check=False).returncode != 0:
            failed.append(name)
        print(f"-- {time.monotonic() - began:.0f} s", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
