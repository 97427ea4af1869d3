"""The technician's day: entries and their checks, two persons for an edit, exchange, checklist, board, campaign."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from api.access import SYSTEM
from api.field.entry import Neighbours, checks_of_entry, count_from_display
from api.people import service as people
from protocols.registers import Register
from protocols.units import Quantity

ENERGY = Register("energy", Quantity.HEAT_ENERGY, "kWh", -2, digits=7)
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(("text", "count"), [("123.45", 12345), ("0123,4", 12340), (" 7 ", 700), ("0", 0)])
def test_a_typed_display_is_an_exact_count(text, count):
    assert count_from_display(text, ENERGY) == count


@pytest.mark.parametrize("text", ["1.234", "-1", "", "abc", "1e400", "NaN", "1..2"])
def test_what_the_display_cannot_show_is_no_value(text):
    with pytest.raises(ValueError):
        count_from_display(text, ENERGY)


@pytest.mark.parametrize(
    ("count", "at", "near", "codes"),
    [
        (12_000, NOW, Neighbours(), []),
        (12_000, NOW, Neighbours(before=(NOW - DAY, 12_001)), ["entry.below_last"]),
        (12_000, NOW - DAY, Neighbours(after=(NOW, 11_999)), ["entry.above_next"]),
        (9_999_999, NOW, Neighbours(before=(NOW - DAY, 100)), ["entry.beyond_pipe"]),
        (10_000_000, NOW, Neighbours(), ["entry.digits"]),
        (12_000, NOW, Neighbours(same=(NOW, 12_000)), ["entry.duplicate"]),
        (12_000, NOW, Neighbours(same=(NOW, 12_001)), ["entry.conflict"]),
        (12_000, NOW + DAY, Neighbours(), ["entry.future"]),
        (12_000, NOW - 400 * DAY, Neighbours(), ["entry.old"]),
        (100_000, NOW, Neighbours(before=(NOW - DAY, 70_000), month=(NOW - 31 * DAY, 10_000)), ["entry.much"]),
        (70_000, NOW, Neighbours(before=(NOW - DAY, 70_000), month=(NOW - 31 * DAY, 10_000)), ["entry.zero"]),
    ],
)
def test_every_check_at_entry_speaks(count, at, near, codes):
    found = checks_of_entry(ENERGY, count, at, near, now=NOW, qs_m3h=Decimal("3.0"))
    assert [check.code for check in found] == codes


@pytest.fixture
async def read(service, new_place, push_hours):
    """A point that was read until an hour ago."""
    place = await new_place()
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
    await push_hours(place, first, 30)
    return place


def entry(place, display, **more):
    at = datetime.now(UTC).replace(microsecond=0)
    return {"meter_id": place.meter_id, "at": at.isoformat(), "display": display, **more}


async def test_a_good_entry_becomes_a_reading_and_a_bad_one_is_blocked_and_counted(service, read):
    caller = service.caller("technician")
    good = await caller.post("/api/v1/field/readings", json=entry(read, "1040.00", point=read.code))
    assert good.status_code == 201, good.text
    found = (await caller.get(f"/api/v1/meters/{read.meter_id}/readings")).json()["items"]
    assert ("1040.00", ["manual"]) in [(row["display"], row["flags"]) for row in found]
    for display, more, code in (
        ("900.00", {}, "entry.below_last"),
        ("1041.00", {"point": "P-2"}, "entry.wrong_point"),
        ("1041.001", {}, "entry.number"),
    ):
        bad = await caller.post("/api/v1/field/readings", json=entry(read, display, **more))
        assert (bad.status_code, bad.json()["code"]) == (422, code), bad.text
        assert bad.json()["checks"][0]["level"] == "block"
    (row,) = (await service.caller("lead").get("/api/v1/field/operators")).json()
    assert (row["operator"], row["entries"], row["blocked"]) == ("key:technician", 4, 3)
    assert row["codes"]["entry.wrong_point"] == 1


async def test_an_edit_needs_a_second_person_and_a_large_one_a_third(service, read):
    caller = service.caller("lead")
    small = (
        await caller.post(
            "/api/v1/field/readings", json=entry(read, "1050.00", kind="edit", reason="display misread", confirmed=True)
        )
    ).json()
    own = await caller.post(f"/api/v1/field/readings/{small['manual_id']}/approve", json={})
    assert (own.status_code, own.json()["code"]) == (403, "approval.same_person")
    other = await service.caller("approver").post(f"/api/v1/field/readings/{small['manual_id']}/approve", json={})
    assert (other.status_code, other.json()["state"]) == (200, "approved")
    again = await service.caller("admin").post(f"/api/v1/field/readings/{small['manual_id']}/approve", json={})
    assert (again.status_code, again.json()["code"]) == (409, "approval.settled")
    large = (
        await caller.post(
            "/api/v1/field/readings", json=entry(read, "9050.00", kind="edit", reason="x", confirmed=True)
        )
    ).json()
    path = f"/api/v1/field/readings/{large['manual_id']}/approve"
    first = await service.caller("approver").post(path, json={})
    assert first.json()["state"] == "second_approval"
    twice = await service.caller("approver").post(path, json={})
    assert twice.json()["code"] == "approval.same_person"
    third = await service.caller("admin").post(path, json={})
    assert third.json()["state"] == "approved"
    async with service.pool.connection() as connection:
        row = await (await connection.execute("SELECT count(DISTINCT meter_id) FROM touched")).fetchone()
    assert row == (1,)


async def test_a_rejected_edit_changes_nothing(service, read):
    body = entry(read, "1050.00", kind="edit", reason="maybe", confirmed=True)
    made = (await service.caller("technician").post("/api/v1/field/readings", json=body)).json()
    answer = await service.caller("reviewer").post(
        f"/api/v1/field/readings/{made['manual_id']}/reject", json={"reason": "photo shows 1040"}
    )
    assert answer.json()["state"] == "rejected"


async def test_an_exchange_in_mid_season_loses_no_energy(service, new_place, push_hours, assessed):
    start = datetime(2026, 1, 31, 16, tzinfo=UTC)
    old = await new_place()
    await push_hours(old, start, 101)
    at = start + timedelta(hours=100, minutes=30)
    body = {
        "point": old.code,
        "at": at.isoformat(),
        "new_serial": "87654321",
        "new_manufacturer": "KAM",
        "final_energy": "1124.00",
        "initial_energy": "0",
        "reason": "calibration",
    }
    caller, headers = service.caller("technician"), {"Idempotency-Key": "exchange-1"}
    below = await caller.post("/api/v1/field/exchanges", json={**body, "final_energy": "1000.00"})
    assert (below.status_code, below.json()["field"]) == (422, "final_energy")
    done = await caller.post("/api/v1/field/exchanges", json=body, headers=headers)
    assert done.status_code == 201, done.text
    resent = await caller.post("/api/v1/field/exchanges", json=body, headers=headers)
    assert resent.json() == done.json()
    await service.directory.refresh()
    new = type(old)(old.area_id, old.point_id, old.code, done.json()["new_meter_id"], "87654321")
    await push_hours(new, start + timedelta(hours=101), 28 * 24 - 100, index=Decimal("0.50"))
    await assessed()
    billing = service.caller("billing")
    period = {"code": "2026-02", "start_date": "2026-02-01", "end_date": "2026-03-01"}
    await billing.post("/api/v1/billing/periods", json=period)
    (row,) = (await billing.get("/api/v1/billing/quantities", params={"period": "2026-02"})).json()["items"]
    segments = row["determinants"]["segments"]
    assert [segment["serial"] for segment in segments] == ["12345678", "87654321"]
    assert [segments[0]["last"]["basis"], segments[1]["first"]["basis"]] == ["final", "initial"]
    assert row["determinants"]["conserved"] is True
    assert sum(segment["advance_j"] for segment in segments) == row["energy_j"]


async def test_the_checklist_shows_what_the_service_sees_and_what_people_note(service, read):
    caller = service.caller("technician")
    path = f"/api/v1/field/meters/{read.meter_id}/commissioning"
    assert (await caller.put(path, json={"item": "seal", "passed": True, "note": "铅封 17"})).status_code == 204
    items = {row["item"]: row for row in (await caller.get(path)).json()}
    assert (items["seal"]["passed"], items["seal"]["note"]) == (True, "铅封 17")
    assert items["unit"]["passed"] is True
    assert items["valve"]["passed"] is None
    wrong = await caller.put(path, json={"item": "colour", "passed": True})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "item")


async def test_the_board_lists_gateways_and_nobody_reads_without_a_worker(service, read):
    async with service.pool.connection() as connection:
        await connection.execute("INSERT INTO gateway (code, kind, address) VALUES ('G1', 'mbus_tcp', '127.0.0.1:1')")
        await connection.execute("INSERT INTO bus (gateway_id) VALUES (1)")
        await connection.execute(
            "INSERT INTO meter_link (meter_id, bus_id, address) VALUES (%s, 1, '5')", (read.meter_id,)
        )
    caller = service.caller("technician")
    (row,) = (await caller.get("/api/v1/field/board")).json()
    assert (row["code"], row["meters"], row["success_rate"], row["connected"]) == ("G1", 1, None, False)
    behind = (await caller.get(f"/api/v1/field/gateways/{row['gateway_id']}")).json()["meters_behind"]
    assert [meter["serial"] for meter in behind] == [read.serial]
    nobody = await caller.post(f"/api/v1/field/meters/{read.meter_id}/read")
    assert (nobody.status_code, nobody.json()["code"]) == (503, "read.nobody")


async def test_a_campaign_finds_the_silent_and_keeps_what_was_seen(service, read, new_place):
    await new_place("P-2", "22222222")
    body = {"code": "2026-autumn", "kind": "pre_season", "start_date": "2026-10-01", "end_date": "2026-11-15"}
    lead, caller = service.caller("lead"), service.caller("technician")
    assert (await lead.post("/api/v1/field/campaigns", json=body)).json()["points"] == 2
    points = (await caller.get("/api/v1/field/campaigns/2026-autumn/points")).json()
    assert [(row["point"], row["comms"]) for row in points] == [("P-2", "silent"), ("P-1", "ok")]
    seen = {"point": "P-2", "state": "fault", "note": "cable cut"}
    assert (await caller.post("/api/v1/field/campaigns/2026-autumn/findings", json=seen)).status_code == 204
    await caller.post("/api/v1/field/campaigns/2026-autumn/refresh")
    total = (await lead.get("/api/v1/field/campaigns/2026-autumn/report")).json()["total"]
    assert (total["points"], total["comms_silent"], total["checked"], total["faults"]) == (2, 1, 1, 1)
    twice = await lead.post("/api/v1/field/campaigns", json=body)
    assert twice.status_code == 409


async def test_photos_of_an_exchange_stand_at_the_point_and_in_the_explanation(
    service, new_place, push_hours, assessed
):
    place = await new_place(since=datetime(2026, 1, 1, tzinfo=UTC))
    await push_hours(place, datetime(2026, 1, 31, 16, tzinfo=UTC), 200)
    caller, photos = service.caller("technician"), []
    for number, shows in enumerate(("final_index", "initial_index", "meter_plate")):
        png = b"\x89PNG\r\n\x1a\n" + bytes(number)
        kept = (await caller.post("/api/v1/field/photos", content=png)).json()
        photos.append({"shows": shows, "reference": kept["reference"]})
    body = {"point": place.code, "at": "2026-02-09T08:00:00+08:00", "new_serial": "55555555", "final_energy": "1400.00",
            "photos": photos}  # fmt: skip
    for wrong in ({"shows": "a cat", "reference": photos[0]["reference"]}, {"shows": "other", "reference": "../etc"}):
        refused = await caller.post("/api/v1/field/exchanges", json={**body, "photos": [wrong]})
        assert refused.status_code == 422, refused.text
    headers = {"Idempotency-Key": "photos"}
    for _ in range(2):  # sent again on a bad connection: kept once
        assert (await caller.post("/api/v1/field/exchanges", json=body, headers=headers)).status_code == 201
    old, new = (await caller.get(f"/api/v1/points/{place.code}")).json()["installations"]
    assert (old["photos"], new["photos"]) == ([], photos)
    await assessed()
    period = {"code": "2026-02", "start_date": "2026-02-01", "end_date": "2026-03-01"}
    await service.caller("billing").post("/api/v1/billing/periods", json=period)
    query = {"period": "2026-02", "point": place.code}
    told = (await service.caller("billing").get("/api/v1/billing/explanation", params=query)).json()
    assert [(row["serial"], row["shows"]) for row in told["photos"]] == [
        ("55555555", photo["shows"]) for photo in photos
    ]


async def test_a_photo_is_an_image_and_comes_back_as_it_was(service):
    caller = service.caller("technician")
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    kept = (await caller.post("/api/v1/field/photos", content=png)).json()["reference"]
    back = await caller.get(f"/api/v1/field/photos/{kept}")
    assert (back.content, back.headers["content-type"]) == (png, "image/png")
    html = await caller.post("/api/v1/field/photos", content=b"<script>")
    assert (html.status_code, html.json()["code"]) == (422, "photo.kind")
    for name in ("..%2Fmaster.key", "x.png", "a" * 64 + ".svg"):
        assert (await caller.get(f"/api/v1/field/photos/{name}")).status_code in (404, 422)


async def test_a_route_tells_what_has_been_read(service, read, new_place):
    await new_place("P-2", "22222222")
    rows = (await service.caller("technician").get("/api/v1/field/routes/A1")).json()
    assert [(row["code"], row["is_read"]) for row in rows] == [("P-1", True), ("P-2", False)]


async def test_the_weekly_sample_is_drawn_once_can_be_repeated_and_keeps_its_results(service, new_place):
    for number in range(25):
        await new_place(f"P-{number:02}", f"400000{number:02}")
    lead = service.caller("lead")
    drawn = (await lead.post("/api/v1/audit-samples", json={"area": "A1", "week": "2026-03-11"})).json()
    assert (drawn["week"], drawn["points"], drawn["population"]) == ("2026-03-09", 3, 25)
    from api.alerts.samples import drawn as repeat
    from ingest.store import campaigns

    async with service.pool.connection() as connection:
        population = await campaigns.population(connection, 1)
        again = repeat(population, drawn["seed"])
        codes = await (
            await connection.execute("SELECT code FROM metering_point WHERE point_id = ANY(%s)", (again,))
        ).fetchall()
    assert sorted(code for (code,) in codes) == [row["point"] for row in drawn["items"]]
    twice = await lead.post("/api/v1/audit-samples", json={"area": "A1", "week": "2026-03-15"})
    assert (twice.status_code, twice.json()["code"]) == (409, "sample.exists")
    point = drawn["items"][0]["point"]
    path = f"/api/v1/audit-samples/{drawn['sample_id']}/findings"
    vague = await lead.post(path, json={"point": point, "verdict": "wrong"})
    assert (vague.status_code, vague.json()["field"]) == (422, "fault")
    kept = (await lead.post(path, json={"point": point, "verdict": "wrong", "fault": "serial differs"})).json()
    assert (kept["checked"], kept["wrong"]) == (1, 1)


async def test_views_are_ones_own_unless_shared(service):
    reviewer, approver = service.caller("reviewer"), service.caller("approver")
    await reviewer.post("/api/v1/views", json={"name": "mine", "settings": {"kind": ["zero"]}})
    made = await reviewer.post("/api/v1/views", json={"name": "ours", "settings": {}, "shared": True})
    assert [row["name"] for row in (await approver.get("/api/v1/views")).json()] == ["ours"]
    assert (await approver.delete(f"/api/v1/views/{made.json()['view_id']}")).status_code == 404
    assert (await reviewer.delete(f"/api/v1/views/{made.json()['view_id']}")).status_code == 204


async def test_a_technician_of_one_area_does_not_see_another(service, new_place):
    await new_place()
    far = await new_place("P-2", "22222222", area="B2")
    async with service.pool.connection() as connection, connection.transaction():
        _, key = await people.add_key(connection, SYSTEM, "north", "technician", areas=["A1"])
    headers = {"Authorization": f"Bearer {key}"}
    caller = service.caller(None)
    assert [row["code"] for row in (await caller.get("/api/v1/points", headers=headers)).json()["items"]] == ["P-1"]
    for path in (f"/api/v1/meters/{far.meter_id}", "/api/v1/points/P-2", f"/api/v1/meters/{far.meter_id}/readings"):
        assert (await caller.get(path, headers=headers)).status_code == 404, path
