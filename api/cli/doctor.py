"""`heatbook doctor`: says of an installation, check by check, what is in order and what to do where it is not."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.serve import DatabaseOption, DataOption
from ingest.config import Settings, settings_from_environment

if TYPE_CHECKING:
    from ingest.sources.mqtt_settings import MqttSettings

FREE_GIB = 2.0
BROKER_S = 5.0
# More than this waits in the spool only while the database is away for long.
SPOOL_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Check:
    """One look: `advice` is what to do where it is not in order."""

    name: str
    passed: bool
    seen: str
    advice: str = ""


def doctor(
    data: DataOption = None,
    database_url: DatabaseOption = None,
    json_lines: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False,
) -> None:
    """Check this installation: folder, database, schema, broker, readings. Exit code 1 if something is wrong."""
    settings = settings_from_environment(data=data, database_url=database_url)
    checks = list(_checks(settings))
    if json_lines:
        import msgspec

        for check in checks:
            typer.echo(msgspec.json.encode(check).decode())
    else:
        _table(checks)
    raise typer.Exit(0 if all(check.passed for check in checks) else 1)


def _table(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for check in checks:
        mark = "[green]ok[/]" if check.passed else "[bold red]no[/]"
        table.add_row(mark, check.name, check.seen if check.passed else f"{check.seen}: {check.advice}")
    Console().print(table)


def _checks(settings: Settings) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("Python", sys.version_info >= (3, 11), version, "Heatbook needs Python 3.11 or newer")
    yield from _folder(settings.data)
    yield from _database(settings)
    yield _broker(settings.mqtt_url)


def _folder(data: Path) -> Iterator[Check]:
    place = data if data.exists() else data.parent
    try:
        free_gib = shutil.disk_usage(place).free / 2**30
    except OSError as error:
        yield Check("data folder", False, str(error), "set HEATBOOK_DATA to a folder that can be written")
        return
    yield Check("data folder", True, f"{data} ({'exists' if data.exists() else 'made at the first start'})")
    yield Check("free space", free_gib > FREE_GIB, f"{free_gib:.1f} GiB", f"keep at least {FREE_GIB:.0f} GiB free")
    spool = data / "spool"
    waiting = sum(file.stat().st_size for file in spool.glob("*")) if spool.exists() else 0
    yield Check("spool", waiting < SPOOL_BYTES, f"{waiting / 2**20:.1f} MiB wait", "see why the database is away")


def _database(settings: Settings) -> Iterator[Check]:
    import psycopg

    from api.embedded import running_url

    url = settings.database_url or running_url(settings.data / "postgres")
    if url is None:
        yield Check("database", False, "not running", "`heatbook run` starts one, or set HEATBOOK_DATABASE_URL")
        return
    try:
        with psycopg.connect(url, connect_timeout=5, autocommit=True) as connection:
            yield from _inside(lambda query: connection.execute(query).fetchone())
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else "no answer"
        yield Check("database", False, reason, "check HEATBOOK_DATABASE_URL, the server and its firewall")


def _inside(one: Callable[[str], tuple[object, ...] | None]) -> Iterator[Check]:
    version = one("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
    assert version is not None
    yield Check(
        "database", int(str(version[0])) >= 150_000, f"PostgreSQL {version[1]}", "PostgreSQL 15 or newer is needed"
    )
    extension = one("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")
    yield Check("TimescaleDB", True, str(extension[0]) if extension else "absent (ordinary tables)")
    known = one("SELECT to_regclass('reading') IS NOT NULL")
    if known is None or not known[0]:
        yield Check("schema", False, "empty", "run `heatbook migrate`")
        return
    yield Check("schema", True, "there")
    latest = one("SELECT max(ts) FROM meter_status WHERE ts <= now()")
    seen = latest[0] if latest else None
    shown = seen.isoformat(timespec="minutes") if isinstance(seen, datetime) else "none yet"
    yield Check("latest telegram", True, shown)
    failed = one("SELECT state, message FROM assessment_run ORDER BY run_id DESC LIMIT 1")
    if failed is not None:
        yield Check("assessment", failed[0] != "failed", str(failed[0]), f"{failed[1]}; see the assess log")
    waiting = one("SELECT count(*) FROM quarantine WHERE state = 'open'")
    yield Check("quarantine", True, f"{waiting[0] if waiting else 0} deliveries wait (heatbook replay, or Intake)")


def _broker(url: str | None) -> Check:
    if url is None:
        return Check("broker", True, "embedded, started by `heatbook run`")
    from ingest.errors import SettingsError
    from ingest.sources.mqtt_settings import settings_from_url

    try:
        broker = settings_from_url(url, client_id=f"heatbook-doctor-{os.getpid()}")
    except SettingsError as error:
        return Check("broker", False, error.message, "mend HEATBOOK_MQTT_URL")
    address = f"{broker.host}:{broker.port}"
    try:
        refusal = _refusal(broker)
    except (OSError, ValueError) as error:
        return Check("broker", False, f"{address}: {error}", "check HEATBOOK_MQTT_URL, its certificates and the broker")
    return Check("broker", not refusal, refusal or f"{address} lets us in", "check the account in HEATBOOK_MQTT_URL")


def _refusal(settings: "MqttSettings") -> str:
    """Why a broker lets nobody in with these settings; empty where it does. Raises OSError, ValueError."""
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    from ingest.sources.mqtt_connection import tls_context

    client = Client(CallbackAPIVersion.VERSION2, client_id=settings.client_id, reconnect_on_failure=False)
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.password)
    if settings.tls:
        client.tls_set_context(tls_context(settings))
    answers: SimpleQueue[str] = SimpleQueue()
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.put(
        f"refused: {reason}" if reason.is_failure else ""
    )
    client.connect_timeout = BROKER_S
    client.connect(settings.host, settings.port)
    client.loop_start()
    try:
        return answers.get(timeout=BROKER_S)
    except Empty:
        return f"no answer within {BROKER_S:.0f} s"
    finally:
        client.disconnect()
        client.loop_stop()
