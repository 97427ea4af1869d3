"""Notification rules and messages in the reader's words: of an address its service alone, outcomes as they were."""

import re
from datetime import UTC, datetime, time
from typing import Any

import pytest

from api import notify
from api.console.frame import NAVIGATION
from api.console.notifications import EVENTS, SEVERITIES, last_told, masked, message_cells, sentence
from api.console.texts import Texts

ENGLISH, CHINESE = Texts("en"), Texts("zh", "Asia/Shanghai")
RULE: dict[str, Any] = {
    "role": "lead", "area": "A1", "service": "mailtos", "events": ["alert.overdue", "alert.opened"],
    "min_severity": "warning", "quiet_from": time(22), "quiet_to": time(6, 30), "language": "zh",
    "last_told_at": None, "refused": 0,
}  # fmt: skip
MESSAGE: dict[str, Any] = {
    "at": datetime(2026, 3, 10, 12, 5, tzinfo=UTC), "event": "alert.opened", "title": "Heatbook: 1200 new alerts",
    "items": 1200, "taken": True, "role": "lead", "service": "mailtos",
}  # fmt: skip


def test_a_rule_reads_as_a_sentence_in_both_languages() -> None:
    assert sentence(ENGLISH, RULE) == "new alerts, overdue alerts · warning and critical · silent 22:00–06:30 · 中文"
    assert sentence(CHINESE, RULE) == "新告警, 超时告警 · 警告及严重 · 22:00–06:30 免打扰 · 中文"


@pytest.mark.parametrize(("begins", "ends"), [(None, None), (time(5), time(5))])
def test_a_rule_without_quiet_hours_tells_at_any_hour(begins: time | None, ends: time | None) -> None:
    shown = sentence(ENGLISH, RULE | {"quiet_from": begins, "quiet_to": ends})
    assert shown == "new alerts, overdue alerts · warning and critical · at any hour · 中文"
    assert not notify.is_quiet(datetime(2026, 3, 10, 5, tzinfo=UTC), "UTC", begins, ends)


def test_every_event_and_severity_of_the_service_has_words() -> None:
    assert set(EVENTS) == set(notify.EVENTS)
    assert set(SEVERITIES) == set(notify.SEVERITIES)


def test_an_address_shows_its_service_and_is_no_markup() -> None:
    assert masked("mailtos") == "<code>mailtos://••••••</code>"
    assert "<img" not in masked("<img src=x>")


def test_a_rule_says_when_its_last_message_arrived() -> None:
    assert last_told(CHINESE, RULE) == "尚无消息送达"
    told = RULE | {"last_told_at": MESSAGE["at"]}
    assert last_told(CHINESE, told) == "最近送达 2026-03-10 20:05"
    assert last_told(ENGLISH, told) == "last message arrived 10 Mar 2026, 12:05"


@pytest.mark.parametrize(
    ("change", "what", "alerts", "outcome"),
    [
        ({}, "new alerts", "1,200", "taken"),
        ({"event": "alert.overdue", "taken": False}, "overdue alerts", "1,200", "refused"),
        ({"event": "test", "items": 0}, "test", "–", "taken"),
    ],
)
def test_a_message_tells_what_went_out_and_what_became_of_it(
    change: dict[str, Any], what: str, alerts: str, outcome: str
) -> None:
    cells = message_cells(ENGLISH, MESSAGE | change)
    assert cells[1:2] + cells[3:5] == ("area lead", what, alerts)
    assert re.sub("<[^>]+>", "", cells[5]) == outcome


def test_only_administrators_find_the_page_in_the_navigation() -> None:
    assert [audience for address, _, audience in NAVIGATION if address == "/notifications"] == ["admin"]
