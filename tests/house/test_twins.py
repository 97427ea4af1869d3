"""Every rule of the engine has its plain twin in `compute.reference`, which names it as the catalogue does."""

import re

from compute import engine
from compute.reference import TWINS


def test_every_rule_has_a_twin_and_no_twin_is_left_over() -> None:
    assert [rule.name for rule in engine.ORDER] == list(TWINS)


def test_a_twin_says_which_sentence_of_the_catalogue_it_is() -> None:
    for name, twin in TWINS.items():
        assert re.match(r"[VH]\d+", twin.__doc__ or ""), name


def test_a_twin_is_no_rule_in_disguise() -> None:
    rules = {rule.check for rule in engine.ORDER}
    for twin in TWINS.values():
        assert twin not in rules
        assert twin.__module__.startswith("compute.reference.")
