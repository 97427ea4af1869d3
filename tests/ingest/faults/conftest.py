"""Real processes and servers that the fault tests stop, kill and start again."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.embedded import THROW_AWAY, EmbeddedPostgres
from ingest.store.database import migrate

PUSHING = Path(__file__).parent / "pushing_process.py"


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A migrated server of this test's own, which may be killed; durable, as in production."""
    durable = {key: value for key, value in THROW_AWAY.items() if key not in ("fsync", "synchronous_commit")}
    with EmbeddedPostgres(tmp_path / "postgres", settings=durable) as server:
        migrate(server.url())
        yield server


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python processes with an environment; kills what is left at the end."""
    children: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
            cwd=Path(__file__).parents[3],
        )
        children.append(child)
        return child

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


@pytest.fixture
def push(spawn, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """A process that hands `count` deliveries to a pipeline and prints the number of each that is safe."""

    def start(url: str, count: int) -> subprocess.Popen[str]:
        return spawn(str(PUSHING), url, str(tmp_path / "data"), str(count))

    return start


@pytest.fixture
def heatbook(spawn) -> Callable[..., subprocess.Popen[str]]:
    """The `heatbook` command as a process."""

    def start(command: str, **environment: str) -> subprocess.Popen[str]:
        return spawn("-c", "from api.cli.main import main; main()", command, **environment)

    return start
