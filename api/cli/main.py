"""The `heatbook` command: finds the module of the command that was asked for and runs it.

Commands are loaded by need, so that `heatbook decode` starts without the database driver, Numba or the console.
Exit codes: 0 done, 1 failed (the message says why), 2 wrong usage, 130 interrupted.
"""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# command -> "module:function or typer app"
_COMMANDS: dict[str, str] = {
    "run": "api.cli.run:run",
    "migrate": "api.cli.serve:migrate",
    "ingest": "api.cli.serve:ingest",
    "assess": "api.cli.assess:assess",
    "api": "api.cli.serve:api",
    "rules": "api.cli.rules:app",
    "simulate": "api.cli.simulate:simulate",
    "decode": "api.cli.decode:decode",
    "import": "api.cli.data:import_",
    "export": "api.cli.data:export",
    "replay": "api.cli.replay:replay",
    "backup": "api.cli.backup:backup",
    "restore": "api.cli.backup:restore",
    "users": "api.cli.users_commands:app",
    "doctor": "api.cli.doctor:doctor",
    # Started by `run`, not by people.
    "live": "api.cli.simulate_live:live",
    "warm": "api.cli.serve:warm",
}
_HIDDEN = frozenset({"live", "warm"})


class CommandGroup(TyperGroup):
    """Loads a command's module when the command is looked up."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, in the order of a day's work."""
        return [name for name in _COMMANDS if name not in _HIDDEN]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None for click to complain about."""
        target = _COMMANDS.get(cmd_name)
        if target is None:
            return None
        module_name, _, attribute = target.partition(":")
        found: Any = getattr(import_module(module_name), attribute)
        command: Any
        if isinstance(found, typer.Typer):
            command = typer.main.get_command(found)
        else:
            single = typer.Typer(add_completion=False, rich_markup_mode="rich")
            single.command(name=cmd_name)(found)
            command = typer.main.get_command(single)
        command.name = cmd_name
        return command


app = typer.Typer(
    name="heatbook",
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    help="Meter reading for heating companies: from the bytes on the wire to consumption that can be billed.",
)


@app.callback()
def _root() -> None:
    """Meter reading for heating companies."""


def main() -> None:
    """Entry point of the `heatbook` command."""
    from api.processes import end_with_parent
    from ingest.errors import IngestError
    from protocols.errors import ProtocolError

    end_with_parent()
    try:
        app()
    except (IngestError, ProtocolError) as error:
        sys.stderr.write(f"heatbook: {error.code}: {error.message}\n")
        sys.exit(1)
    except BrokenPipeError:
        # The reader of a pipe (head, less) went away: not an error of ours.
        sys.stderr.close()
        sys.exit(0)


if __name__ == "__main__":
    main()
