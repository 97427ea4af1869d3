"""The scorecard counts what a grader would: events found, alerts that were right, the days it took."""

import math

from compute.scorecard import DAY_US, Alarm, Event, score

T0 = 1_700_000_000_000_000


def event(point: str, kind: str, first: float, last: float, *, season: bool = True) -> Event:
    return Event(point, kind, T0 + int(first * DAY_US), T0 + int(last * DAY_US), season)


def alarm(point: str, kind: str, first: float, last: float, *noticed: float, season: bool = True) -> Alarm:
    told = tuple(T0 + int(day * DAY_US) for day in noticed)
    return Alarm(point, kind, T0 + int(first * DAY_US), T0 + int(last * DAY_US), season, told)


def test_an_alert_is_right_where_it_names_the_kind_at_the_point_and_time() -> None:
    card = score([event("a", "jump", 10, 20)], [alarm("a", "jump", 11, 13, 12)], meter_days=1000)
    assert (card.total.precision, card.total.recall) == (1.0, 1.0)
    assert math.isclose(card.total.delay_days, 2.0)


def test_another_kind_another_point_or_another_time_is_false_and_missed() -> None:
    events = [event("a", "jump", 10, 20)]
    for wrong in (alarm("a", "low_use", 11, 13), alarm("b", "jump", 11, 13), alarm("a", "jump", 40, 41)):
        card = score(events, [wrong], meter_days=1000)
        assert (card.total.found, card.total.right, card.total.false_alarms) == (0, 0, 1)
        assert card.missed == tuple(events)
        assert card.false_alarms == (wrong,)
        assert card.false_per_1000_meter_days == 1.0


def test_an_alert_beside_another_fault_is_false_but_told_apart() -> None:
    card = score([event("a", "behind", 10, 20)], [alarm("a", "low_use", 11, 13)], meter_days=1)
    assert card.kinds["low_use"].beside == 1


def test_an_alert_about_a_look_alike_is_false_and_zero_use_of_a_shut_point_is_counted() -> None:
    card = score([event("a", "none", 0, 365)], [alarm("a", "zero_use", 11, 13)], meter_days=1)
    assert card.total.events == 0
    assert card.total.false_alarms == 1
    assert card.false_zero == 1


def test_an_occurrence_before_the_event_does_not_shorten_its_delay() -> None:
    card = score([event("a", "jump", 10, 20)], [alarm("a", "jump", 2, 15, 3, 14)], meter_days=1)
    assert math.isclose(card.total.delay_days, 4.0)


def test_seasons_are_parts_of_the_whole_and_cards_add_up() -> None:
    one = score(
        [event("a", "jump", 1, 2), event("b", "jump", 1, 2, season=False)],
        [alarm("a", "jump", 1, 2, 2), alarm("c", "leakage", 1, 2, season=False)],
        meter_days=500,
    )
    assert one.in_season["jump"].recall == 1.0
    assert one.off_season["jump"].recall == 0.0
    assert one.off_season["leakage"].false_alarms == 1
    both = one + one
    assert both.total.events == 2 * one.total.events
    assert both.kinds["jump"].found == 2
    assert both.false_per_1000_meter_days == one.false_per_1000_meter_days
