"""`heatbook simulate --live`: any product can be pointed at it with the files it writes, and Ctrl-C ends it."""

import csv
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from protocols.mbus.frame import REQ_UD2, ShortFrame, frame_length
from protocols.mbus.telegram import telegram_from_frame
from simulators.live import LiveFleet, RunningClock
from simulators.live_scenarios import TRAINING_LEAD, live_fleet

AT = datetime(2025, 1, 15, 10, 20, tzinfo=UTC)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_by_socket(address: str, primary: int) -> bytes:
    """One M-Bus answer, as a master hears it; the echo of a cheap converter is taken off."""
    host, port = address.split(":")
    question = ShortFrame(REQ_UD2 | 0x20, primary).to_bytes()
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(question)
        heard = b""
        while True:
            heard += line.recv(512)
            answer = heard[heard.find(0x68) :] if 0x68 in heard else b""
            length = frame_length(answer[:4]) if len(answer) >= 4 else None
            if length is not None and len(answer) >= length:
                return answer[:length]


@pytest.fixture
def served(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A small chaos on sockets: its folder, ended by Ctrl-C."""
    folder = tmp_path / "live"
    command = [sys.executable, "-m", "api.cli.main", "simulate", "chaos", "--live", "--meters", "60", "--seed", "5"]
    with subprocess.Popen(
        [*command, "--at", "2025-01-15", "--speed", "40", "--out", str(folder)], stderr=subprocess.PIPE, text=True
    ) as process:
        told = threading.Event()
        said: list[str] = []

        def listen() -> None:
            for line in process.stderr or ():
                said.append(line)
                if "Ctrl-C" in line:
                    told.set()
            told.set()

        listener = threading.Thread(target=listen)
        listener.start()
        assert told.wait(120), said
        yield folder
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0, said
        listener.join()


def test_a_fleet_is_served_read_and_imported(served: Path, database_url: str, tmp_path: Path) -> None:
    gateways = {row["gateway"]: row for row in rows(served / "gateways.csv")}
    assert {row["kind"] for row in gateways.values()} == {"mbus_tcp", "cjt188_tcp", "mqtt"}
    troubled = {row["meter"] for row in rows(served / "labels.csv")}
    links = [row for row in rows(served / "links.csv") if gateways[row["gateway"]]["kind"] == "mbus_tcp"]
    healthy = [row for row in links if row["serial"] not in troubled][:3]
    for link in healthy:
        answer = read_by_socket(gateways[link["gateway"]]["address"], int(link["address"]))
        assert telegram_from_frame(answer).meter.serial == link["serial"]

    environment = {**os.environ, "HEATBOOK_DATABASE_URL": database_url, "HEATBOOK_DATA": str(tmp_path / "data")}
    for again in (False, True):
        done = subprocess.run(
            [sys.executable, "-m", "api.cli.main", "import", str(served)],
            capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        counts = {line.split(":")[0]: line for line in done.stdout.splitlines()}
        for kind, number in (("gateways", 3), ("links", len(rows(served / "links.csv")))):
            assert f"{0 if again else number} new" in counts[kind]
    with psycopg.connect(database_url) as connection:
        stored = dict(connection.execute("SELECT code, address FROM gateway").fetchall())
        linked = connection.execute("SELECT count(*) FROM meter_link").fetchone()
    assert stored == {code: row["address"] for code, row in gateways.items()}
    assert linked == (len(rows(served / "links.csv")),)


@pytest.mark.parametrize("scenario", ["demo", "season", "chaos", "training"])
async def test_every_scenario_is_served_at_an_instant_of_its_own(
    scenario: str, free_ports: Callable[[int], int]
) -> None:
    meters = {"season": 130, "chaos": 40}.get(scenario)
    fleet, at = live_fleet(scenario, seed=3, meters=meters, at=AT)
    assert at == (fleet.start + TRAINING_LEAD if scenario == "training" else AT)
    assert fleet.start < at < fleet.end
    begun = [fault for fault in fleet.faults if fault.start < at]
    assert begun
    wired = [gateway for gateway in fleet.gateways if gateway.kind != "mqtt"]
    first = free_ports(len(wired))
    async with LiveFleet(fleet, RunningClock(at, 5.0), None, port=first) as live:
        assert [live.addresses[gateway.code] for gateway in wired] == [
            f"127.0.0.1:{first + number}" for number in range(len(wired))
        ]
        passed = live.clock.now() - at
        assert timedelta(0) <= passed < timedelta(minutes=5)


@pytest.fixture
def free_ports() -> Callable[[int], int]:
    """The first of so many ports in a row that nobody listens at."""

    def find(count: int) -> int:
        for first in range(42_000, 60_000, count):
            try:
                for port in range(first, first + count):
                    with socket.socket() as probe:
                        probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
        raise LookupError(count)

    return find


def test_an_unknown_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="no scenario"):
        live_fleet("nowhere", at=AT)
