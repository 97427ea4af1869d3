"""`heatbook rules`: thresholds of the checks from the terminal: look, try on history, propose, switch on.

A file of thresholds is TOML or JSON and holds only what differs: ``[zero_use]`` / ``warn_h = 36``. Whoever works at the
terminal names the person they act as (`--by`): the author of a version and the one who switches it on must differ.
"""

import asyncio
import json
import sys
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.serve import DatabaseOption, DataOption, _settings, database_of
from ingest.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg import AsyncConnection

    from api.access import Actor
    from ingest.assessment.trial import RuleTrial

app = typer.Typer(
    no_args_is_help=True, help="Rule sets: thresholds of the checks, tried on history, switched on by two."
)
GroupOption = Annotated[str, typer.Option("--group", help="Code of the group of meters.")]
ByOption = Annotated[str, typer.Option("--by", help="Name of the person who decides this (approver, lead or admin).")]
FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Thresholds, TOML or JSON.")]
FromOption = Annotated[datetime | None, typer.Option("--from", help="Compare from here on (UTC).")]
ToOption = Annotated[datetime | None, typer.Option("--to", help="Compare up to here (UTC).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]


def settings_of(file: Path) -> dict[str, Any]:
    """Thresholds of a TOML or JSON file. InvalidInputError names the file where it holds none."""
    text = file.read_text()
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"{file}: {error}", field="file") from error
    if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
        raise InvalidInputError(f"{file}: a table for each rule is needed, as [zero_use]", field="file")
    return found


def _run(url: str, work: Callable[["AsyncConnection[Any]"], Awaitable[Any]]) -> Any:
    """One transaction of a service function."""
    from ingest.store.database import open_pool

    async def whole() -> Any:
        pool = await open_pool(url, maximum=2)
        try:
            async with pool.connection() as connection, connection.transaction():
                return await work(connection)
        finally:
            await pool.close()

    return asyncio.run(whole())


async def _person(connection: "AsyncConnection[Any]", name: str) -> "Actor":
    """The person whom somebody at the terminal acts for; what they may do is the service's question."""
    from api.access import Actor
    from ingest.store import people

    row = await people.person_by_name(connection, name)
    if row is None or row["disabled_at"] is not None:
        raise NotFoundError(f"there is nobody called {name!r}", field="by")
    return Actor(row["name"], row["role"], frozenset(row.get("areas") or ()) or None)


@app.command("list")
def list_groups(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Groups and the versions of their thresholds."""
    from rich.console import Console
    from rich.table import Table

    from api.access import SYSTEM
    from api.rules import service

    async def work(connection: Any) -> list[tuple[Any, list[Any]]]:
        return [
            (row, await service.versions(connection, SYSTEM, row["code"]))
            for row in await service.groups(connection, SYSTEM)
        ]

    with database_of(_settings(data, database_url)) as url:
        found = _run(url, work)
    table = Table("group", "points", "set", "version", "state", "author", "switched on by", "changes", "note")
    for group, versions in found:
        for row in versions:
            changes = ", ".join(f"{rule}.{name}" for rule, values in row["settings"].items() for name in values)
            table.add_row(
                group["code"], str(group["points"]), str(row["rule_set_id"]), str(row["version"]), row["state"],
                row["created_by"], row["activated_by"] or "", changes or "none", row["note"],
            )  # fmt: skip
    Console().print(table)


@app.command("show")
def show(
    rule_set_id: Annotated[int | None, typer.Argument(help="Number of a set; the defaults if absent.")] = None,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Every threshold of a set as TOML; without a number the catalogue's defaults, to copy from."""
    from api.access import SYSTEM
    from api.rules import service

    if rule_set_id is None:
        effective = {row["rule"]: row["thresholds"] for row in service.catalogue()}
    else:
        with database_of(_settings(data, database_url)) as url:
            effective = _run(url, lambda connection: service.version(connection, SYSTEM, rule_set_id))["effective"]
    for rule, thresholds in effective.items():
        typer.echo(f"[{rule}]")
        for name, value in thresholds.items():
            typer.echo(f"{name} = {json.dumps(value)}")
        typer.echo("")


@app.command("try")
def try_(
    file: FileArgument,
    start: FromOption = None,
    end: ToOption = None,
    group: GroupOption = "default",
    as_json: JsonOption = False,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """What these thresholds would have changed in consumption, bills and alerts. Nothing is written."""
    from compute.rules import RuleError
    from ingest.assessment.trial import try_rules
    from ingest.clock import clock_from_text

    thresholds = settings_of(file)
    settings = _settings(data, database_url)
    with database_of(settings) as url, _progress() as told:
        try:
            trial = try_rules(
                url, thresholds, now=clock_from_text(settings.clock).now(), group=group,
                start=None if start is None else start.replace(tzinfo=UTC),
                end=None if end is None else end.replace(tzinfo=UTC), progress=told,
            )  # fmt: skip
        except RuleError as error:
            raise InvalidInputError(str(error), code="rules.invalid", field="file") from error
        codes = _codes(url)
    if as_json:
        typer.echo(json.dumps(trial.as_json(codes), indent=2))
        return
    _tell(trial, codes)


@contextmanager
def _progress() -> "Iterator[Callable[[str, int, int], None]]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("loading", total=None)
        yield lambda what, done, whole: bar.update(task, description=what, completed=done, total=whole or None)


def _codes(url: str) -> dict[int, str]:
    from ingest.store.database import connect_sync
    from ingest.store.series import point_codes

    with connect_sync(url) as connection:
        return point_codes(connection)


def _tell(trial: "RuleTrial", codes: dict[int, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    typer.echo(
        f"{trial.points} points, {trial.hours} hours: {trial.consumption_changed} would change, "
        f"{trial.moved_kwh:.1f} kWh would lie elsewhere\n"
        f"{trial.bills} bills: {trial.bills_changed} would change\n"
        f"alerts: {trial.gained} more, {trial.lost} fewer"
    )
    console = Console()
    if trial.before or trial.after:
        table = Table("kind", "now", "on trial")
        for kind in sorted({*trial.before, *trial.after}):
            table.add_row(kind, str(trial.before.get(kind, 0)), str(trial.after.get(kind, 0)))
        console.print(table)
    if trial.bill_changes:
        table = Table("point", "period", "kWh now", "kWh on trial", "held back now", "held back on trial")
        for bill in trial.bill_changes[:20]:
            table.add_row(
                codes.get(bill.point_id, "?"), bill.period, _kwh(bill.before_kwh), _kwh(bill.after_kwh),
                bill.reason_before, bill.reason_after,
            )  # fmt: skip
        console.print(table)
    if trial.changes:
        table = Table("", "point", "kind", "from", "kWh at stake")
        for change in trial.changes[:20]:
            began = datetime.fromtimestamp(change.from_us / 1e6, tz=UTC)
            table.add_row(
                "more" if change.gained else "fewer", codes.get(change.point_id, "?"), change.kind,
                f"{began:%Y-%m-%d}", f"{change.energy_at_stake_kwh:.1f}",
            )  # fmt: skip
        console.print(table)


def _kwh(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


@app.command("propose")
def propose(
    file: FileArgument,
    by: ByOption,
    group: GroupOption = "default",
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """A new version of a group's thresholds: a draft, until another person switches it on."""
    from api.rules import service
    from ingest.clock import wall_now

    thresholds = settings_of(file)

    async def work(connection: Any) -> Any:
        actor = await _person(connection, by)
        return await service.add_version(connection, actor, group, thresholds, note, now=wall_now())

    with database_of(_settings(data, database_url)) as url:
        made = _run(url, work)
    typer.echo(f"set {made['rule_set_id']} is version {made['version']} of {group}; another person switches it on")


@app.command("activate")
def activate(rule_set_id: int, by: ByOption, data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Switch a version on for all later assessments; not by its author."""
    from api.rules import service
    from ingest.clock import wall_now

    async def work(connection: Any) -> Any:
        return await service.activate(connection, await _person(connection, by), rule_set_id, now=wall_now())

    with database_of(_settings(data, database_url)) as url:
        made = _run(url, work)
    typer.echo(f"version {made['version']} of {made['group_code']} is in force")


@app.command("proposals")
def proposals(
    group: GroupOption = "default",
    days: Annotated[int, typer.Option("--days", min=1, help="Verdicts of so many days.")] = 365,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Tighter thresholds that the reviewers' verdicts speak for, with their evidence. Nothing is applied."""
    from datetime import timedelta

    from rich.console import Console
    from rich.table import Table

    from api.access import SYSTEM
    from api.rules import service
    from ingest.clock import wall_now

    since = wall_now() - timedelta(days=days)
    with database_of(_settings(data, database_url)) as url:
        found = _run(url, lambda connection: service.proposals(connection, SYSTEM, group, since=since))
    table = Table("threshold", "now", "proposed", "right / wrong now", "would remain", "precision")
    for row in found:
        table.add_row(
            row["threshold"], f"{row['current']:g}", f"{row['proposed']:g}", f"{row['right']} / {row['wrong']}",
            f"{row['right_kept']} / {row['wrong_kept']}",
            f"{row['precision_before']:.0%} -> {row['precision_after']:.0%}",
        )  # fmt: skip
    Console().print(table if found else "verdicts speak for no change")
