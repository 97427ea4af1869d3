"""Times read off a clock: the offset of that day counts, whatever is valid today; no hour is guessed."""

from datetime import UTC, datetime

import pytest

from api.field.wall_time import instant_from_text


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-15T08:00[Europe/Berlin]", datetime(2026, 1, 15, 7, tzinfo=UTC)),
        ("2026-07-15T08:00[Europe/Berlin]", datetime(2026, 7, 15, 6, tzinfo=UTC)),
        ("2026-03-29T01:59:59[Europe/Berlin]", datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)),
        ("2026-03-29T03:00[Europe/Berlin]", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00[Europe/Berlin]", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-07-15T08:00[Asia/Shanghai]", datetime(2026, 7, 15, tzinfo=UTC)),
    ],
)
def test_a_wall_time_has_the_offset_of_its_own_day(text, instant):
    assert instant_from_text(text) == instant


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-03-29T02:30[Europe/Berlin]", "skipped"),
        ("2026-10-25T02:30[Europe/Berlin]", "twice"),
        ("2026-07-15T08:00:00+01:00[Europe/Berlin]", "another offset"),
        ("2026-07-15T08:00[Europe/Nowhere]", "wall time"),
        ("2026-07-15T08:00[America]", "wall time"),
        ("2026-07-15T08:00[../../etc/passwd]", "wall time"),
        ("2026-07-15T25:00[UTC]", "wall time"),
        ("[]", "wall time"),
    ],
)
def test_a_time_that_no_clock_showed_once_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        instant_from_text(text)


async def test_a_hand_entry_dated_back_over_the_change_of_clocks_keeps_its_hour(service, new_place, push_hours):
    place = await new_place(since=datetime(2025, 1, 1, tzinfo=UTC))
    await push_hours(place, datetime(2025, 3, 1, tzinfo=UTC), 2)
    caller = service.caller("technician")
    span = {"from": "2025-03-01T00:00:00Z", "to": "2025-05-01T00:00:00Z"}
    body = {"meter_id": place.meter_id, "display": "1040.00", "confirmed": True}
    for text, stored in (
        ("2025-03-20T08:00[Europe/Berlin]", "2025-03-20T07:00:00Z"),
        ("2025-04-02T08:00[Europe/Berlin]", "2025-04-02T06:00:00Z"),
    ):
        answer = await caller.post("/api/v1/field/readings", json={**body, "at": text})
        assert answer.status_code == 201, answer.text
        found = (await caller.get(f"/api/v1/meters/{place.meter_id}/readings", params=span)).json()["items"]
        assert stored in {row["ts"].replace("+00:00", "Z") for row in found if row["display"] == "1040.00"}
    skipped = await caller.post("/api/v1/field/readings", json={**body, "at": "2025-03-30T02:30[Europe/Berlin]"})
    assert (skipped.status_code, skipped.json()["field"]) == (422, "at")
