"""Verdicts propose tighter thresholds with their evidence, and never more than they can show."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from compute.engine import ORDER
from compute.feedback import LEVERS, Judged, Wanted, propose
from compute.rules import RuleSet, defaults_of

RULES = {rule.name: rule.thresholds for rule in ORDER}


def _thresholds(name: str) -> object:
    return RuleSet().of(name, RULES[name])


def _zero(hours: float, right: bool) -> Judged:
    return Judged("zero_use", "V13", 0.0, {"zero_h": hours}, right)


def test_every_lever_is_a_threshold_of_a_rule() -> None:
    for lever in LEVERS:
        assert lever.threshold in defaults_of(RULES[lever.name])


def test_short_false_alarms_propose_a_longer_wait() -> None:
    judged = [_zero(26.0 + n / 10, False) for n in range(8)] + [_zero(60.0 + n, True) for n in range(20)]
    (proposal,) = propose(judged, _thresholds)
    assert (proposal.name, proposal.threshold, proposal.current) == ("zero_use", "warn_h", 24.0)
    # The smallest change that is good enough: two of eight false alarms stay.
    assert 26.5 < proposal.proposed < 26.6
    assert (proposal.right, proposal.wrong, proposal.right_kept, proposal.wrong_kept) == (20, 8, 20, 2)
    assert proposal.precision_after > 0.9 > proposal.precision_before


def test_a_rule_that_is_right_is_left_alone() -> None:
    assert propose([_zero(40.0 + n, n > 0) for n in range(20)], _thresholds) == []


def test_few_verdicts_propose_nothing() -> None:
    assert propose([_zero(25.0, False)] * 9, _thresholds) == []


def test_a_threshold_that_cannot_part_right_from_wrong_is_not_moved() -> None:
    assert propose([_zero(40.0, n % 2 == 0) for n in range(30)], _thresholds) == []


def test_a_share_is_tightened_downwards() -> None:
    judged = [Judged("low_use", "V12", 0.0, {"share_percent": 30.0 + n}, False) for n in range(6)]
    judged += [Judged("low_use", "V12", 0.0, {"share_percent": 5.0 + n / 2}, True) for n in range(20)]
    (proposal,) = propose(judged, _thresholds)
    assert 31.0 < proposal.proposed < 32.0 < proposal.current


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(LEVERS), st.floats(-500, 500) | st.just(math.nan), st.floats(0.1, 500), st.booleans()
        ),
        max_size=80,
    )
)
def test_a_proposal_keeps_what_it_says_and_betters_the_rule(rows: list[tuple[object, float, float, bool]]) -> None:
    details = ("zero_h", "share_percent", "robust_z", "worst_s", "house_median", "days")
    judged = [
        Judged(lever.kind.value, lever.rule, observed, dict.fromkeys(details, detail), right)
        for lever, observed, detail, right in rows
    ]
    wanted = Wanted(precision=0.8, verdicts=4)
    for proposal in propose(judged, _thresholds, wanted):
        lever = next(item for item in LEVERS if (item.kind.value, item.rule) == (proposal.kind, proposal.rule))
        own = [item for item in judged if (item.kind, item.rule) == (proposal.kind, proposal.rule)]
        values = [(lever.reading(item.observed, item.details), item.right) for item in own]
        known = [(value, right) for value, right in values if math.isfinite(value)]
        kept = [right for value, right in known if lever.stricter * (value - proposal.proposed) > 0]
        assert (proposal.right, proposal.wrong) == (sum(r for _, r in known), sum(not r for _, r in known))
        assert (proposal.right_kept, proposal.wrong_kept) == (sum(kept), len(kept) - sum(kept))
        assert lever.stricter * (proposal.proposed - proposal.current) > 0
        assert proposal.precision_after > proposal.precision_before
        assert proposal.right_kept >= wanted.kept * proposal.right
