"""Connections to PostgreSQL, and the migrations that make its schema what this version expects.

Rules: migrations go forward only; each file is recorded with its checksum, and a file that changed after it was
applied is refused; an advisory lock keeps two processes from migrating at once; every file is one transaction. A step
may exist in two flavours, ``NNNN_name.timescale.sql`` and ``NNNN_name.plain.sql``: the server is asked once which one
it gets.
"""

import hashlib
import importlib.resources
import time
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal, cast

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from ingest.errors import IngestError, UnavailableError

Flavour = Literal["plain", "timescale"]
Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]
_LOCK = 0x48454154  # "HEAT"
_QUEUE = "queue:"
# UTC everywhere: what a session prints or casts must not depend on the server's zone.
_OPTIONS = "-c timezone=UTC -c jit=off"
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migration (
    name        text PRIMARY KEY,
    checksum    text NOT NULL,
    flavour     text NOT NULL,
    seconds     real NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
)"""


class MigrationError(IngestError):
    """The schema cannot be brought up to date; the message names the file and what to do."""

    code = "migration"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration file: `name` as in the ledger, `flavour` None where it suits every server."""

    name: str
    flavour: Flavour | None
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, whatever the line ends of the checkout."""
        return hashlib.sha256(self.text.replace("\r\n", "\n").encode()).hexdigest()


async def open_pool(url: str, *, minimum: int = 1, maximum: int = 8, timeout_s: float = 30.0) -> Pool:
    """An open pool of autocommitting connections (a transaction is always an explicit ``async with``).

    Raises
    ------
    UnavailableError
        The database does not answer within `timeout_s`.
    """
    pool: Pool = AsyncConnectionPool(
        url,
        min_size=minimum,
        max_size=maximum,
        timeout=timeout_s,
        open=False,
        kwargs={"autocommit": True, "options": _OPTIONS},
        name="heatbook",
    )
    await pool.open()
    try:
        await pool.wait(timeout_s)
    except psycopg.OperationalError as error:
        await pool.close()
        raise UnavailableError("the database does not answer") from error
    return pool


def connect_sync(url: str, *, autocommit: bool = False) -> Connection[TupleRow]:
    """A connection for bulk work outside the event loop (assessment, import, export).

    Raises
    ------
    UnavailableError
        The database does not answer.
    """
    try:
        return psycopg.connect(url, autocommit=autocommit, options=_OPTIONS)
    except psycopg.OperationalError as error:
        raise UnavailableError(f"the database does not answer: {error}") from error


def steps() -> tuple[Step, ...]:
    """The packaged migrations in the order of their numbers."""
    found = []
    for file in importlib.resources.files("ingest.store.migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        stem = file.name.removesuffix(".sql")
        name, _, flavour = stem.partition(".")
        if flavour not in ("", "plain", "timescale"):
            raise MigrationError(f"{file.name}: {flavour!r} is no flavour of the store")
        found.append(Step(name, cast("Flavour", flavour) if flavour else None, file.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda step: (step.name, step.flavour or "")))


def migrate(url: str) -> list[str]:
    """Bring the schema up to date; the names of the steps that were applied, empty where nothing was left to do.

    Raises
    ------
    MigrationError
        An applied file has changed, a step failed (it left nothing behind), or the database is newer than this program.
    UnavailableError
        The database does not answer.
    """
    with connect_sync(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        try:
            return _migrate_locked(connection)
        finally:
            if not connection.closed:
                connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _migrate_locked(connection: Connection[TupleRow]) -> list[str]:
    connection.execute(_LEDGER)
    rows = connection.execute("SELECT name, checksum, flavour FROM schema_migration").fetchall()
    ledger = {name: (checksum, flavour) for name, checksum, flavour in rows}
    known = {flavour for _, flavour in ledger.values()}
    flavour: Flavour = ("timescale" if "timescale" in known else "plain") if known else _flavour_of_server(connection)
    packaged = [step for step in (*_queue_steps(ledger), *steps()) if step.flavour in (None, flavour)]
    names = {step.name for step in packaged}
    strangers = {name for name in ledger if not name.startswith(_QUEUE) and name not in names}
    if strangers:
        raise MigrationError(f"the database is newer than this program: it has had {', '.join(sorted(strangers))}")
    applied = []
    for step in packaged:
        if step.name not in ledger:
            _apply(connection, step, flavour)
            applied.append(step.name)
        elif ledger[step.name][0] != step.checksum and not step.name.startswith(_QUEUE):
            raise MigrationError(
                f"migration {step.name} was changed after it had been applied to this database: restore the"
                " file of the "
                "release that applied it and put the change into a new step"
            )
    return applied


def _queue_steps(ledger: Container[str]) -> list[Step]:
    """The job queue's own schema: whole where it is new, else those of its migrations that are missing."""
    package = importlib.resources.files("procrastinate.sql")
    migrations = sorted(file.name for file in package.joinpath("migrations").iterdir() if file.name.endswith(".sql"))
    whole = _QUEUE + "schema"
    if whole not in ledger:
        marks = "".join(
            f"INSERT INTO schema_migration VALUES ('{_QUEUE}{name}', '', 'plain', 0, now());\n" for name in migrations
        )
        return [Step(whole, None, package.joinpath("schema.sql").read_text(encoding="utf-8") + marks)]
    return [
        Step(_QUEUE + name, None, package.joinpath("migrations", name).read_text(encoding="utf-8"))
        for name in migrations
    ]


def _apply(connection: Connection[TupleRow], step: Step, flavour: Flavour) -> None:
    started = time.monotonic()
    try:
        with connection.transaction():
            # Without parameters the whole file goes as one simple query: no splitting, so quoting can't confuse us.
            connection.execute(step.text.encode())
            connection.execute(
                "INSERT INTO schema_migration (name, checksum, flavour, seconds) VALUES (%s, %s, %s, %s)",
                (step.name, step.checksum, flavour, time.monotonic() - started),
            )
    except psycopg.Error as error:
        raise MigrationError(f"migration {step.name} failed and left nothing behind: {error}") from error


def _flavour_of_server(connection: Connection[TupleRow]) -> Flavour:
    """Ask the server whether it can make hypertables; switches the extension on where it is ready."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb'),"
        " EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')"
        " AND current_setting('shared_preload_libraries') LIKE '%timescaledb%'"
    ).fetchone()
    present, available = row if row is not None else (False, False)
    if not present and not available:
        return "plain"
    try:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except psycopg.errors.InsufficientPrivilege:
        return "plain"
    licence = connection.execute("SELECT current_setting('timescaledb.license', true)").fetchone()
    # The Apache build has hypertables but neither compression nor continuous aggregates.
    return "plain" if licence is not None and licence[0] == "apache" else "timescale"


def flavour_of(connection: Connection[TupleRow]) -> Flavour:
    """Which flavour a migrated database has."""
    row = connection.execute("SELECT EXISTS (SELECT FROM schema_migration WHERE flavour = 'timescale')").fetchone()
    return "timescale" if row is not None and row[0] else "plain"
