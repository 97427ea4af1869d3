"""Refusals are told in the reader's language, with what they carry; none is hidden and none is stale."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.alerts.service import Decision
from api.console.refusals import BY_CODE, TEMPLATES, for_browser, told, told_text
from api.console.texts import Texts
from ingest.alerting import AlertAction, AlertState, state_after
from ingest.errors import ConflictError, IngestError

HOUSE = Path(__file__).parents[2]
ENGLISH, CHINESE = Texts("en"), Texts("zh")


def test_a_message_keeps_its_numbers_in_chinese() -> None:
    told = told_text(CHINESE, "below the last reading, 40163 MJ of 2026-11-22 06:00 UTC", "entry.below_last")
    assert told == "低于上次读数 40163 MJ（2026-11-22 06:00 UTC）"


def test_codes_inside_a_message_are_words() -> None:
    with pytest.raises(IngestError) as caught:
        state_after(AlertAction.SNOOZE, AlertState.RESOLVED)
    assert told(CHINESE, caught.value) == "告警处于“已结案”状态时不能暂缓"


def test_a_message_that_nobody_knows_is_told_by_its_code_or_as_it_is() -> None:
    assert told(CHINESE, ConflictError("something quite new")) == CHINESE(BY_CODE["conflict"])
    assert told(CHINESE, ConflictError("something quite new", code="brand.new")) == "something quite new"


def test_english_stays_as_the_service_said_it() -> None:
    assert told_text(ENGLISH, "a suppression needs a reason") == "A suppression needs a reason"


def test_what_is_no_refusal_tells_nothing_of_the_inside() -> None:
    assert "Traceback" not in told(CHINESE, ValueError("/srv/secret Traceback"))
    assert told(ENGLISH, ValueError("month must be in 1..12")) == BY_CODE["input.invalid"]


def test_the_browser_gets_patterns_that_it_understands() -> None:
    for one in for_browser(CHINESE):
        assert "(?P<" not in one["pattern"]
        assert one["pattern"].endswith("$")
    assert for_browser(ENGLISH) == []


def _texts(folder: str) -> Iterator[str]:
    for path in (HOUSE / folder).rglob("*.py"):
        if "console" in path.relative_to(HOUSE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_every_template_is_still_said_by_a_service() -> None:
    said = "\n".join([*_texts("api"), *_texts("ingest"), *_texts("protocols")])

    def longest(template: str) -> str:
        return max(re.split(r"'?\{\w+\}'?|Value error, |nowhere", template), key=len).strip("' ")

    assert [template for template in TEMPLATES if longest(template) not in said] == []


def test_a_decision_that_is_too_long_is_refused_before_it_is_sent() -> None:
    with pytest.raises(IngestError) as caught:
        Decision(AlertAction.COMMENT, comment="x" * 5_000)
    assert told(CHINESE, caught.value) == "备注最多 4000 个字符"
