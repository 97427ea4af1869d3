"""`heatbook users`: people, API keys and the audit log from the terminal of the machine that runs the service."""

from typing import Annotated

import typer

from api.cli.serve import DatabaseOption, DataOption, database_of
from ingest.config import settings_from_environment
from ingest.errors import InvalidInputError

app = typer.Typer(no_args_is_help=True, help="People, API keys and the audit log.")
RoleOption = Annotated[
    str, typer.Option("--role", help="technician, reviewer, approver, lead, billing or admin.", prompt=True)
]
AreasOption = Annotated[
    list[str] | None, typer.Option("--area", help="Code of an area; none for all. May be repeated.")
]


def _password(given: str | None) -> str:
    if given is not None:
        return given
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed


@app.command("list")
def list_people(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Everybody, by name."""
    from rich.console import Console
    from rich.table import Table

    from api.cli import users

    with database_of(settings_from_environment(data=data, database_url=database_url)) as url:
        rows = users.list_people(url)
    table = Table("name", "full name", "role", "areas", "state")
    for row in rows:
        areas = ", ".join(map(str, row["areas"])) or "all"
        table.add_row(row["name"], row["full_name"], row["role"], areas, "locked out" if row["disabled_at"] else "")
    Console().print(table)


@app.command("add")
def add(
    name: str,
    role: RoleOption,
    full_name: Annotated[str, typer.Option(help="Name as it is shown.")] = "",
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    areas: AreasOption = None,
    password: Annotated[str | None, typer.Option(envvar="HEATBOOK_NEW_PASSWORD", help="Asked for if absent.")] = None,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """A new person."""
    from api.cli import users

    secret = _password(password)
    with database_of(settings_from_environment(data=data, database_url=database_url)) as url:
        number = users.add_person(url, name, role, secret, full_name=full_name, language=language, areas=areas)
    typer.echo(f"{name} may come in (number {number})")


@app.command("change")
def change(
    name: str,
    role: Annotated[str | None, typer.Option(help="New role.")] = None,
    areas: AreasOption = None,
    new_password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    lock: Annotated[bool | None, typer.Option("--lock/--unlock", help="Lock out, or let in again.")] = None,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """Another role, password or areas; lock out or let in again."""
    from api.cli import users

    if role is None and areas is None and not new_password and lock is None:
        raise InvalidInputError("nothing to change: give --role, --area, --password, --lock or --unlock")
    secret = _password(None) if new_password else None
    with database_of(settings_from_environment(data=data, database_url=database_url)) as url:
        users.change_person(url, name, role=role, password=secret, areas=areas, disabled=lock)
    typer.echo(f"{name} was changed")


@app.command("keys")
def keys(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """All API keys: prefix, role and expiry."""
    from rich.console import Console
    from rich.table import Table

    from api.cli import users

    with database_of(settings_from_environment(data=data, database_url=database_url)) as url:
        rows = users.list_keys(url)
    table = Table("number", "name", "prefix", "role", "expires", "state")
    for row in rows:
        expires = row["expires_at"].date().isoformat() if row["expires_at"] else "never"
        state = "revoked" if row["revoked_at"] else ""
        table.add_row(str(row["api_key_id"]), row["name"], row["prefix"], row["role"], expires, state)
    Console().print(table)


@app.command("add-key")
def add_key(
    name: str,
    role: RoleOption,
    scopes: Annotated[
        list[str] | None, typer.Option("--scope", help="As billing:read; none for all of the role.")
    ] = None,
    areas: AreasOption = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never if absent.")] = None,
    data: DataOption = None,
    database_url: DatabaseOption = None,
) -> None:
    """A new API key; it is printed this once."""
    from api.cli import users

    with database_of(settings_from_environment(data=data, database_url=database_url)) as url:
        typer.echo(users.add_key(url, name, role, scopes=scopes, areas=areas, days=days))


@app.command("revoke-key")
def revoke_key(number: int, data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """End an API key at once."""
    from api.cli import users

    with database_of(settings_from_environment(data=data, database_url=database_url)) as url:
        users.revoke_key(url, number)
    typer.echo(f"key {number} is revoked")


@app.command("verify-audit")
def verify_audit(data: DataOption = None, database_url: DatabaseOption = None) -> None:
    """Walk the hash chain of the audit log; exit code 1 where it is broken."""
    from api.cli import users

    with database_of(settings_from_environment(data=data, database_url=database_url)) as url:
        report = users.verify_audit(url)
    if report.broken_at is None:
        typer.echo("the audit log is whole")
        return
    typer.echo(f"the audit log is broken at entry {report.broken_at}", err=True)
    raise typer.Exit(1)
