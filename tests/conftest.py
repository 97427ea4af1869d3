"""What every test may ask for: a PostgreSQL cluster of its own, fresh migrated databases, a broker.

The cluster is started once a test process from the wheel; databases are cloned from a migrated template.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from api.embedded import THROW_AWAY, EmbeddedBroker, EmbeddedPostgres

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
