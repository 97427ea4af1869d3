"""The queue's filters stand in its address: what it says is asked, and what is asked gives that address again."""

import pytest

from api.console.queue_filters import address_of, filters_of


@pytest.mark.parametrize(
    ("asked", "filtered"), [("true", True), ("false", False), ("", None), ("yes", None), ("True", None)]
)
def test_an_address_asks_for_what_was_escalated_or_was_not(asked: str, filtered: bool | None) -> None:
    assert filters_of({"escalated": asked})["escalated"] is filtered


def test_a_link_keeps_the_escalated_ones_among_other_filters() -> None:
    query = {"escalated": "true", "severity": "critical", "page": "7"}
    assert address_of(query) == "/alerts?severity=critical&escalated=true"
