"""`heatbook rules`: thresholds tried, proposed and switched on at the terminal."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import users
from api.cli.main import app
from api.cli.rules import settings_of
from ingest.errors import InvalidInputError

run = CliRunner()


def _ask(url: str, *words: str) -> str:
    answer = run.invoke(app, ["rules", *words, "--database-url", url], env={"COLUMNS": "200"})
    assert answer.exit_code == 0, (answer.output, answer.exception)
    return answer.output


def test_a_file_is_tried_proposed_and_switched_on_by_another_person(database_url: str, tmp_path: Path) -> None:
    for name, role in (("wang", "approver"), ("li", "lead")):
        users.add_person(database_url, name, role, "a long password")
    file = tmp_path / "calm.toml"
    file.write_text("[zero_use]\nwarn_h = 36\n")
    tried = json.loads(_ask(database_url, "try", str(file), "--from", "2026-01-01", "--to", "2026-02-01", "--json"))
    assert tried["alerts"] == {"before": {}, "after": {}, "gained": 0, "lost": 0}
    assert "0 bills" in _ask(database_url, "try", str(file))
    assert "is version 2 of default" in _ask(database_url, "propose", str(file), "--by", "wang", "--note", "calm")
    refused = run.invoke(app, ["rules", "activate", "2", "--by", "wang", "--database-url", database_url])
    assert refused.exit_code == 1
    assert "version 2 of default is in force" in _ask(database_url, "activate", "2", "--by", "li")
    assert "zero_use.warn_h" in _ask(database_url, "list")
    assert "warn_h = 36" in _ask(database_url, "show", "2")
    assert "warn_h = 24.0" in run.invoke(app, ["rules", "show"]).output
    assert "no change" in _ask(database_url, "proposals")


@pytest.mark.parametrize("text", ["zero_use = 3", "[[", '{"zero_use": 3}', "[]"])
def test_a_file_that_holds_no_thresholds_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=r"odd\.toml"):
        settings_of(file)
