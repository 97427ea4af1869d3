"""The console under 100,000 alerts and a year of hours: seconds until a page answers a key, in a real Chromium.

A page without data stands beside them: what a loaded machine does to it, it does to the others.

``python -m tests.speed.console [rounds]`` starts a demo service of its own, writes alerts, points and a year of hourly
values into its database, and ends it.
"""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from playwright.sync_api import Page, sync_playwright

from api.embedded import free_port, running_url

POINTS, KINDS = 6_000, 17
POINT = "DL1-203"
_CHART = "getElement(+document.querySelector('.hb-chart.evidence').id.slice(1)).chart"
_COUNTS = ", ".join(
    f"max(1 + extract(epoch FROM t)::int8 / 36000) FILTER (WHERE r.slot & 7 = {place})" for place in range(8)
)
_FILL = (
    "INSERT INTO area (code, name, team) VALUES ('speed', 'speed', 'speed') ON CONFLICT DO NOTHING",
    f"""INSERT INTO metering_point (code, area_id, building, address)
        SELECT 'SP-' || n, (SELECT area_id FROM area WHERE code = 'speed'), 'SP' || n / 100, 'Speed road ' || n
        FROM generate_series(1, {POINTS}) n ON CONFLICT DO NOTHING""",
    f"""INSERT INTO alert (point_id, kind, severity, from_ts, energy_at_stake_kwh, confidence, rule)
        SELECT p.point_id, (ARRAY['zero_use', 'low_use', 'jump', 'static', 'leakage', 'undercooling', 'swapped_sensors',
               'sensor_fault', 'unit_error', 'factor_error', 'behind', 'use_while_inactive', 'neighbours', 'balance',
               'decrease', 'garbage', 'comms_loss'])[k], (ARRAY['info', 'warning', 'critical'])[1 + k % 3],
               now() - k * interval '1 day', (p.point_id * k) % 5003, 0.5 + (k % 5) / 10.0, 'V13'
        FROM metering_point p, generate_series(1, {KINDS}) k WHERE p.code LIKE 'SP-%' ON CONFLICT DO NOTHING""",
    f"""INSERT INTO consumption (start_at, known_from, energy_j, volume_ml, point_id, run_id, rule_set_id, duration_s,
                                 resolution)
        SELECT t, now(), 3600000 * (1 + extract(hour FROM t)::int % 5), 40000, p.point_id, 1, 0, 3600, 1
        FROM metering_point p, generate_series(date_trunc('hour', now()) - interval '365 days',
                                               date_trunc('hour', now()), '1 hour') t
        WHERE p.code = '{POINT}' ON CONFLICT DO NOTHING""",
    f"""INSERT INTO meter_reading (ts, delivery_id, meter_id, bank, part, version, flags,
                                   v0, v1, v2, v3, v4, v5, v6, v7)
        SELECT t, 1, r.meter_id, r.slot >> 3, 0, 0, 0, {_COUNTS}
        FROM metering_point p JOIN installation i USING (point_id) JOIN register r USING (meter_id),
             generate_series(date_trunc('hour', now()) - interval '365 days', now() - interval '16 days', '1 hour') t
        WHERE p.code = '{POINT}' AND r.name IN ('energy', 'volume', 'supply_temperature', 'return_temperature', 'flow')
        GROUP BY t, r.meter_id, r.slot >> 3 ON CONFLICT DO NOTHING""",
    "ANALYZE alert, consumption, meter_reading, metering_point",
)


def _timed(act: Callable[[], None], rounds: int) -> str:
    took = []
    for _ in range(rounds + 1):  # the first one warms browser and server up
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return f"median {statistics.median(took[1:]):.2f} s, worst {max(took[1:]):.2f} s of {rounds}"


@contextlib.contextmanager
def _service(deadline_s: float = 240.0) -> Iterator[Path]:
    """The data folder of a demo service that is ready."""
    with tempfile.TemporaryDirectory() as folder:
        data, log = Path(folder) / "data", Path(folder) / "log"
        environment = os.environ | {"HEATBOOK_DATA": str(data), "HEATBOOK_PORT": str(free_port())}
        command = [str(Path(sys.executable).parent / "heatbook"), "run"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        try:
            began = time.monotonic()
            while b" ready: " not in log.read_bytes():
                if process.poll() is not None or time.monotonic() - began > deadline_s:
                    raise RuntimeError(f"the service did not become ready:\n{log.read_text()[-2000:]}")
                time.sleep(0.2)
            yield data
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _log_in(page: Page, data: Path) -> str:
    logins = json.loads((data / "demo-logins.json").read_text())
    base = str(logins["console"]).rstrip("/")
    person = next(one for one in logins["users"] if one["role"] == "admin")
    answer = page.request.post(f"{base}/api/v1/session", data={k: person[k] for k in ("name", "password")})
    assert answer.ok, answer.text()
    return base


def main(rounds: int = 5) -> None:
    """Fill the database of a service of its own, then time the queue and the evidence."""
    with _service() as data:
        measure(data, rounds)


def measure(data: Path, rounds: int) -> None:
    """Print the table for the service of a data folder."""
    url = running_url(data / "postgres")
    if url is None:
        raise RuntimeError(f"no server runs in {data}")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _FILL:
            connection.execute(statement)
        alerts = connection.execute("SELECT count(*) FROM alert WHERE state <> 'resolved'").fetchone()
    print(f"{alerts[0] if alerts else 0} standing alerts")
    arguments = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        page = browser.new_context(viewport={"width": 1360, "height": 900}).new_page()
        base = _log_in(page, data)

        def plain() -> None:
            page.goto(f"{base}/field/entry")
            page.locator("#hb-lookup").wait_for()

        def queue() -> None:
            page.goto(f"{base}/alerts")
            first = page.locator(".hb-queue tbody tr").first
            first.wait_for()
            page.keyboard.press("x")
            first.locator(".q-checkbox[aria-checked=true]").wait_for()

        def evidence() -> None:
            page.goto(f"{base}/points/{POINT}?days=365&hourly=true")
            page.locator(".hb-chart.evidence canvas").first.wait_for()
            page.evaluate("new Promise((next) => requestAnimationFrame(() => setTimeout(next)))")

        def zoom() -> None:
            page.evaluate(f"({_CHART}).dispatchAction({{type: 'dataZoom', start: 0, end: 100}})")
            page.wait_for_function(f"({_CHART}).getOption().series[0].type === 'line'", polling=20)
            page.evaluate(f"({_CHART}).dispatchAction({{type: 'dataZoom', start: 60, end: 62}})")
            page.wait_for_function(f"({_CHART}).getOption().series[0].type === 'bar'", polling=20)

        print(f"a page without data, until it is drawn: {_timed(plain, rounds)}")
        print(f"queue, until a key marks its first row: {_timed(queue, rounds)}")
        print(f"a year by the hour, until it is drawn: {_timed(evidence, rounds)}")
        print(f"from the whole year into a week of hours and back: {_timed(zoom, rounds)}")
        browser.close()


if __name__ == "__main__":
    main(*(int(value) for value in sys.argv[1:]))
