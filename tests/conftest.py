"""What every test may ask for: a PostgreSQL cluster of its own, fresh migrated databases, a broker.

The cluster is started once a test process from the wheel; databases are cloned from a migrated template.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from api.embedded import THROW_AWAY, EmbeddedBroker, EmbeddedPostgres, free_port

# An example's wall time says nothing on a shared machine; the suite's own time limit stands.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL server for this test process."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), settings=THROW_AWAY) as server:
        yield server


@pytest.fixture(scope="session")
def template_database(postgres: EmbeddedPostgres) -> str:
    """Name of a migrated database that others are cloned from."""
    from ingest.store.database import migrate

    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_heatbook")
    migrate(postgres.url("template_heatbook"))
    return "template_heatbook"


@pytest.fixture
def database_url(postgres: EmbeddedPostgres, template_database: str) -> Iterator[str]:
    """URL of a fresh, migrated, empty database; dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
        )
        yield postgres.url(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def broker() -> Iterator[EmbeddedBroker]:
    """A running MQTT broker (3.1.1) for this test process."""
    with EmbeddedBroker() as running:
        yield running


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Folder of the conformance corpus that HEATBOOK_CORPUS names."""
    folder = os.environ.get("HEATBOOK_CORPUS")
    if not folder:
        pytest.skip("HEATBOOK_CORPUS names no corpus: conformance is checked where it is set")
    return Path(folder)


@dataclass
class RunningService:
    """A `heatbook run` of its own on a free port and folder."""

    data: Path
    port: int
    days: int = 14
    process: "subprocess.Popen[bytes] | None" = None
    ready_after_s: float = 0.0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logins(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.data / "demo-logins.json").read_text())
        return content

    @property
    def log(self) -> Path:
        return self.data.parent / f"{self.data.name}.log"

    def start(self, deadline_s: float = 240.0) -> Self:
        """Start it and wait until it says that it is ready."""
        began = time.monotonic()
        before = self.log.stat().st_size if self.log.exists() else 0
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HEATBOOK_")}
        environment |= {
            "HEATBOOK_DATA": str(self.data),
            "HEATBOOK_PORT": str(self.port),
            "HEATBOOK_DEMO_DAYS": str(self.days),
        }
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).parent / "heatbook"), "run"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while b" ready: " not in self.log.read_bytes()[before:]:
            if self.process.poll() is not None or time.monotonic() - began > deadline_s:
                raise AssertionError(f"the service did not become ready:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.1)
        self.ready_after_s = time.monotonic() - began
        return self

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal and wait for the end; the seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - began

    def family(self) -> list[psutil.Process]:
        """Every process of this service that is alive."""
        mine = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = one.cmdline()
                own_environment = one.environ().get("HEATBOOK_DATA") == str(self.data)
                if one.status() != psutil.STATUS_ZOMBIE and (
                    own_environment or any(str(self.data) in word for word in words)
                ):
                    mine.append(one)
        return mine

    def client(self, role: str) -> httpx.Client:
        """An HTTP client with the demo's key of a role."""
        key = self.logins["api_keys"][role]
        return httpx.Client(
            base_url=f"{self.base}/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
        )


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A demo service that the tests of one file share: what they decide stays among them, whatever order files have."""
    running = RunningService(tmp_path_factory.mktemp("service") / "data", free_port())
    try:
        yield running.start()
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[RunningService]:
    """A service with a short history for tests that kill and restart it."""
    running = RunningService(tmp_path / "data", free_port(), days=2)
    try:
        yield running
    finally:
        if running.process is not None and running.process.poll() is None:
            running.stop()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where nothing may be skipped (HEATBOOK_NOTHING_SKIPPED), a skipped test fails the run."""
    if not os.environ.get("HEATBOOK_NOTHING_SKIPPED"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped") and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
