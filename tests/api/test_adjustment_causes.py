"""An adjustment tells every figure of a bill that differs, and why each is another one."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from api.billing.causes import changes_between

FROZEN = datetime(2026, 3, 2, tzinfo=UTC)
START, END, MIDDLE = "2026-01-31T16:00:00+00:00", "2026-02-28T16:00:00+00:00", "2026-02-10T16:00:00+00:00"


def segment(serial="1", factor="1", start=START, end=END):
    return {"serial": serial, "factor": factor, "from": start, "to": end}


def quantity(*segments, energy_j=3_600_000, area="80.00", service=28.0, suspended=0.0, rule_set=1, tiers=()):
    return {
        "energy_j": energy_j, "volume_ml": 1_000, "heated_area_m2": None if area is None else Decimal(area),
        "days_in_service": service, "days_suspended": suspended, "rule_set_id": rule_set, "created_at": FROZEN,
        "determinants": {"from": START, "to": END, "segments": list(segments or [segment()]), "tiers": list(tiers)},
    }  # fmt: skip


def causes(after, edited_at=None):
    return {change["figure"]: change["cause"] for change in changes_between(quantity(), after, edited_at)}


@pytest.mark.parametrize(
    ("after", "edited_at", "cause"),
    [
        (quantity(energy_j=1), None, "late_readings"),
        (quantity(energy_j=1), FROZEN - timedelta(days=1), "late_readings"),
        (quantity(energy_j=1), FROZEN + timedelta(days=1), "edit"),
        (quantity(energy_j=1, rule_set=2), None, "rule_set"),
        (quantity(energy_j=1, rule_set=2), FROZEN + timedelta(days=1), "edit"),
        (quantity(segment(factor="10"), energy_j=1), FROZEN + timedelta(days=1), "factor"),
        (quantity(segment(end=MIDDLE), segment("2", start=MIDDLE), energy_j=1), FROZEN + timedelta(days=1), "exchange"),
    ],
)
def test_the_weightiest_reason_is_the_cause_of_another_energy(after, edited_at, cause):
    assert causes(after, edited_at)["energy_j"] == cause


def test_a_quantity_that_differs_in_nothing_a_bill_is_made_of_has_no_changes():
    assert causes(quantity(rule_set=2), FROZEN + timedelta(days=1)) == {}


def test_an_index_that_broke_is_the_same_meter_all_the_time():
    pieces = quantity(segment(end=MIDDLE), segment(start=MIDDLE), energy_j=1)
    assert causes(pieces) == {"energy_j": "late_readings"}


def test_another_area_is_told_with_old_new_and_difference():
    assert changes_between(quantity(), quantity(area="82.50"), None) == [
        {"figure": "heated_area_m2", "old": "80.00", "new": "82.50", "difference": "2.50", "cause": "heated_area"}
    ]
    (change,) = changes_between(quantity(area=None), quantity(area="82.50"), None)
    assert (change["old"], change["difference"]) == (None, None)


def test_days_follow_the_states_of_the_point_or_its_meters():
    assert causes(quantity(service=18.0, suspended=10.0)) == {"days_in_service": "state", "days_suspended": "state"}
    shorter = quantity(segment(start=MIDDLE), service=18.0)
    assert causes(shorter) == {"days_in_service": "exchange", "meters": "exchange"}


def test_steps_of_a_tariff_by_date_differ_although_the_sum_is_the_same():
    def steps(first, second):
        return quantity(
            tiers=[{"tier": "1", "energy_j": first}, {"tier": "1", "from": "2026-02-15", "energy_j": second}]
        )

    told = {change["figure"]: change["difference"] for change in changes_between(steps(10, 5), steps(8, 7), None)}
    assert told == {"tiers.1": -2, "tiers.2026-02-15.1": 2}
