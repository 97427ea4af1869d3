"""An adjustment names why the figure is another one."""

from datetime import UTC, datetime, timedelta

import pytest

from api.billing.causes import cause_of

FROZEN = datetime(2026, 3, 2, tzinfo=UTC)


def quantity(*meters, rule_set=1):
    segments = [{"meter_id": meter, "factor": "1"} for meter in meters]
    return {"determinants": {"segments": segments}, "rule_set_id": rule_set, "created_at": FROZEN}


@pytest.mark.parametrize(
    ("after", "edited_at", "cause"),
    [
        (quantity(1), None, "late_readings"),
        (quantity(1), FROZEN - timedelta(days=1), "late_readings"),
        (quantity(1), FROZEN + timedelta(days=1), "edit"),
        (quantity(1, rule_set=2), None, "rule_set"),
        (quantity(1, rule_set=2), FROZEN + timedelta(days=1), "edit"),
        (quantity(1, 2), FROZEN + timedelta(days=1), "exchange"),
    ],
)
def test_the_weightiest_reason_is_the_cause(after, edited_at, cause):
    assert cause_of(quantity(1), after, edited_at) == cause
