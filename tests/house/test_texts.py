"""Every text of the console has its 中文, with the same placeholders; and the catalogue holds nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.pofile import read_po

from api.console import code_words, names, refusals, words

HOUSE = Path(__file__).parents[2]
CONSOLE = HOUSE / "api" / "console"
CATALOGUE = HOUSE / "api" / "locale" / "zh" / "LC_MESSAGES" / "heatbook.po"
# `texts("…")` on a page, `self("…")` within Texts, `visitor.texts("…")`, `marked("…")` in a table.
CALLED = ("texts", "self", "marked")


def _calls(path: Path) -> Iterator[str]:
    # The syntax tree rather than a tokenizer's extraction: texts stand inside f-strings too.
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0]
        if name in CALLED and isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield first.value


def message_ids() -> set[str]:
    """Texts in calls and in the tables of words."""
    found = {text for path in CONSOLE.glob("*.py") for text in _calls(path)}
    tables = (names.KINDS, names.STATES, names.SERVICES, names.CAUSE_TEXTS, names.FLAGS, names.INCIDENTS, names.ACTORS)
    for table in (*tables, *words.TABLES, *code_words.TABLES, refusals.BY_CODE):
        found |= set(table.values())
    found |= set(refusals.TEMPLATES)
    return found


def _catalogue() -> dict[str, str]:
    with CATALOGUE.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale="zh_CN") if one.id and not one.fuzzy}


def test_every_text_of_the_console_has_its_chinese() -> None:
    translated = _catalogue()
    assert sorted(text for text in message_ids() if not translated.get(text)) == []


def test_a_translation_keeps_the_placeholders_of_its_text() -> None:
    wrong = [
        text
        for text, chinese in _catalogue().items()
        if sorted(re.findall(r"\{\w*\}", text)) != sorted(re.findall(r"\{\w*\}", chinese))
    ]
    assert wrong == []


def test_the_catalogue_holds_no_text_that_nobody_shows() -> None:
    assert sorted(set(_catalogue()) - message_ids()) == []
