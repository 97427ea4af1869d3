"""The table of alert moves: what it allows, and that it is complete."""

import pytest

from ingest.alerting import (
    CAUSES,
    MOVES,
    AlertAction,
    AlertState,
    MoveError,
    Verdict,
    actions_in,
    require_cause,
    state_after,
)
from ingest.errors import InvalidInputError


def test_every_action_stands_in_the_table():
    assert set(MOVES) == set(AlertAction)


def test_every_standing_alert_can_be_resolved_and_a_resolved_one_only_reopened_or_commented():
    for state in AlertState:
        assert (AlertAction.RESOLVE in actions_in(state)) == (state != AlertState.RESOLVED)
    assert set(actions_in(AlertState.RESOLVED)) == {AlertAction.COMMENT, AlertAction.REOPEN}


def test_only_time_and_people_bring_back_what_sleeps():
    assert state_after(AlertAction.WAKE, AlertState.SNOOZED) == AlertState.OPEN
    assert state_after(AlertAction.WAKE, AlertState.SUPPRESSED) == AlertState.OPEN
    with pytest.raises(MoveError, match="while the alert is open"):
        state_after(AlertAction.WAKE, AlertState.OPEN)


def test_no_sequence_of_moves_leaves_the_states():
    reached = {AlertState.OPEN}
    for _ in AlertState:
        reached |= {state_after(action, state) for state in reached for action in actions_in(state)}
    assert reached == set(AlertState)


@pytest.mark.parametrize("cause", [None, "", "because", "RECOVERED"])
def test_a_resolution_needs_a_known_cause(cause):
    with pytest.raises(InvalidInputError, match="needs a cause"):
        require_cause(cause)


def test_causes_tell_rules_right_and_wrong():
    verdicts = {verdict for verdict, _ in CAUSES.values()}
    assert verdicts == set(Verdict)
    assert require_cause("meter_defect") == "meter_defect"
