"""The billing system's work: pull, freeze, changes, acknowledgement, and the explanation down to the bytes."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import load_workbook

from compute.quality import Method

START = datetime(2026, 1, 31, 16, tzinfo=UTC)  # midnight of 1 February in Shanghai
PERIOD = {"code": "2026-02", "start_date": "2026-02-01", "end_date": "2026-03-01"}
HOURS = 28 * 24


@pytest.fixture
async def february(service, new_place, push_hours, assessed):
    """A point read every hour from the day before February to the day after it, assessed, with a period."""
    place = await new_place(heated_area_m2=Decimal("89.50"))
    await push_hours(place, START - timedelta(hours=24), HOURS + 48, offset=timedelta(minutes=7))
    await assessed()
    made = await service.caller("billing").post("/api/v1/billing/periods", json=PERIOD)
    assert made.status_code == 201, made.text
    return place


async def test_quantities_can_be_pulled_before_the_freeze_and_add_up_to_the_index_difference(service, february):
    caller = service.caller("billing")
    page = (await caller.get("/api/v1/billing/quantities", params={"period": "2026-02"})).json()
    assert page["next"] is None
    (row,) = page["items"]
    assert (row["state"], row["quality"], row["reason"]) == ("open", "valid", "")
    assert row["energy_j"] == pytest.approx(HOURS * 1.23 * 3_600_000, rel=1e-6)
    assert Decimal(row["energy_kwh"]) == (Decimal(row["energy_j"]) / 3_600_000).quantize(Decimal("0.001"))
    determinants = row["determinants"]
    assert determinants["conserved"] is True
    assert determinants["intervals_sum"] == determinants["index_difference"] == row["energy_j"]
    assert (row["days_in_service"], row["heated_area_m2"]) == (28.0, "89.50")
    assert (row["share_measured"], row["share_estimated"]) == (1.0, 0.0)
    assert [cut["basis"] for cut in (determinants["segments"][0]["first"], determinants["segments"][0]["last"])] == [
        "nearest",
        "nearest",
    ]


async def test_the_explanation_reaches_the_raw_bytes(service, february):
    caller = service.caller("billing")
    made = (
        await caller.get("/api/v1/billing/explanation", params={"period": "2026-02", "point": february.code})
    ).json()
    assert made["sums"]["conserved"] is True
    assert made["sums"]["difference_j"] == 0
    assert sum(row["energy_j"] for row in made["intervals"]) == made["sums"]["index_difference_j"]
    assert len(made["intervals"]) == HOURS
    first = made["segments"][0]["first"]["readings"][0]
    delivery = next(row for row in made["deliveries"] if row["delivery_id"] == first["delivery_id"])
    assert b'"serial":"12345678"' in bytes.fromhex(delivery["hex"]).replace(b" ", b"")
    assert delivery["decoding"]["telegrams"][0]["registers"][0]["count"] == first["count"]
    assert len(made["deliveries"]) == 4


async def test_the_explanation_says_what_an_estimate_was_made_of(service, february):
    async with service.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO estimate_input SELECT point_id, 1, '2026-02-03', '2026-02-04', %s, 12.5, 1.5,"
            " '{\"neighbours\": 4}', 1 FROM metering_point WHERE code = %s",
            (int(Method.NEIGHBOURS), february.code),
        )
    asked = {"period": "2026-02", "point": february.code}
    made = (await service.caller("billing").get("/api/v1/billing/explanation", params=asked)).json()
    ((method, energy, inputs),) = [(row["method"], row["energy_kwh"], row["inputs"]) for row in made["estimates"]]
    assert (method, energy, inputs) == ("neighbours", 12.5, {"neighbours": 4})


async def test_tiers_change_at_a_date_and_add_up_to_the_quantity(service, february):
    caller = service.caller("billing")
    tiers = [
        {"tier": "old low", "upto_kwh": 100},
        {"tier": "old high"},
        {"tier": "new low", "upto_kwh": 50, "from": "2026-02-08"},
        {"tier": "new high", "from": "2026-02-08"},
    ]
    await caller.post("/api/v1/billing/periods", json={**PERIOD, "code": "tiers", "settings": {"tiers": tiers}})
    (row,) = (await caller.get("/api/v1/billing/quantities", params={"period": "tiers"})).json()["items"]
    found = {tier["tier"]: tier for tier in row["determinants"]["tiers"]}
    hour_j = 1.23 * 3_600_000
    assert found["old low"]["energy_j"] == 100 * 3_600_000
    assert found["old high"]["energy_j"] == pytest.approx(7 * 24 * hour_j - 100 * 3_600_000, rel=1e-6)
    assert found["new low"]["energy_j"] == 50 * 3_600_000
    assert found["new high"]["energy_j"] == pytest.approx(21 * 24 * hour_j - 50 * 3_600_000, rel=1e-6)
    assert found["new high"]["from"] == "2026-02-08"
    assert sum(tier["energy_j"] for tier in found.values()) == row["energy_j"]
    assert sum(Decimal(tier["energy_kwh"]) for tier in found.values()) == Decimal(row["energy_kwh"])


async def test_who_sees_some_areas_only_neither_makes_nor_freezes_a_period(service, february):
    made = await service.caller("admin").post("/api/v1/keys", json={"name": "a1", "role": "billing", "areas": ["A1"]})
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    caller = service.caller(None)
    for path, body in (("", {**PERIOD, "code": "mine"}), ("/2026-02/freeze", {})):
        answer = await caller.post(f"/api/v1/billing/periods{path}", json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "area.limited")


async def test_csv_tells_the_same_as_json(service, february):
    caller = service.caller("billing")
    text = (await caller.get("/api/v1/billing/quantities", params={"period": "2026-02", "format": "csv"})).text
    (line,) = list(csv.DictReader(io.StringIO(text)))
    (row,) = (await caller.get("/api/v1/billing/quantities", params={"period": "2026-02"})).json()["items"]
    for name in ("point", "energy_kwh", "energy_gj", "volume_m3", "state", "quality"):
        assert line[name] == row[name], name


@pytest.mark.parametrize("form", ["arrow", "parquet", "xlsx", "jsonl"])
async def test_every_bulk_format_tells_the_same_as_json(service, february, new_place, form):
    await new_place("P-ohne", "55555555")
    caller = service.caller("billing")
    rows = (await caller.get("/api/v1/billing/quantities", params={"period": "2026-02"})).json()["items"]
    answer = await caller.get("/api/v1/billing/quantities", params={"period": "2026-02", "format": form})
    assert answer.status_code == 200
    if form == "arrow":
        found = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    elif form == "parquet":
        found = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    elif form == "jsonl":
        found = [json.loads(line) for line in answer.text.splitlines()]
    else:
        header, *lines = load_workbook(io.BytesIO(answer.content)).active.iter_rows(values_only=True)
        found = [dict(zip(header, line, strict=True)) for line in lines]
    assert len(found) == len(rows) == 1
    for name in ("point", "account", "energy_j", "volume_ml", "state", "share_measured", "days_in_service", "cause"):
        assert found[0][name] == rows[0][name], name
    for name in ("energy_kwh", "energy_gj", "volume_m3", "heated_area_m2"):
        assert Decimal(str(found[0][name])) == Decimal(rows[0][name]), name


async def test_green_button_and_mscons_carry_the_same_energy(service, february):
    caller = service.caller("billing")
    (row,) = (await caller.get("/api/v1/billing/quantities", params={"period": "2026-02"})).json()["items"]
    feed = await caller.get(f"/api/v1/billing/quantities/{row['quantity_id']}/green-button")
    space = {"e": "http://naesb.org/espi"}
    root = ElementTree.fromstring(feed.content)
    hours = [int(value.text) for value in root.findall(".//e:IntervalReading/e:value", space)]
    assert (len(hours), set(hours)) == (HOURS, {1230})
    billed = root.find(".//e:overallConsumptionLastPeriod/e:value", space)
    assert Decimal(billed.text) == Decimal(row["energy_kwh"]) * 1000
    message = (await caller.get("/api/v1/billing/mscons", params={"period": "2026-02"})).text
    assert f"QTY+220:{row['energy_kwh']}:KWH'" in message
    segments = message.split("\n")
    assert segments[-2] == f"UNT+{len(segments) - 3}+1'"  # all but UNA, UNB and UNZ


async def test_a_second_pull_of_nothing_new_costs_nothing(service, february):
    caller = service.caller("billing")
    first = await caller.get("/api/v1/billing/quantities", params={"period": "2026-02"})
    again = await caller.get(
        "/api/v1/billing/quantities", params={"period": "2026-02"}, headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_a_late_reading_after_the_freeze_becomes_an_adjustment_on_the_feed(
    service, february, push_hours, assessed
):
    caller = service.caller("billing")
    frozen = await caller.post("/api/v1/billing/periods/2026-02/freeze", json={})
    assert (frozen.status_code, frozen.json()["newly_frozen"], frozen.json()["blocked"]) == (200, 1, 0), frozen.text
    twice = await caller.post("/api/v1/billing/periods/2026-02/freeze", json={})
    assert (twice.status_code, twice.json()["code"]) == (409, "billing.frozen")
    feed = (await caller.get("/api/v1/billing/changes")).json()
    assert [row["state"] for row in feed["items"]] == ["frozen"]
    old = feed["items"][0]
    acknowledged = await caller.post("/api/v1/billing/acknowledgements", json={"quantity_ids": [old["quantity_id"]]})
    assert acknowledged.json() == {"acknowledged": 1}
    # An edit of the index just after the cut-off, approved by a second person, changes what February used.
    query = """
        INSERT INTO manual_reading (meter_id, register_id, ts, value, kind, state, entered_by, approved_by)
        SELECT meter_id, register_id, %s, %s, 'edit', 'approved', 'li', 'wu' FROM register WHERE meter_id = %s AND
        name = 'energy'
    """
    cut = START + timedelta(hours=HOURS)
    async with service.pool.connection() as connection:
        await connection.execute(query, (cut, 185900, february.meter_id))
        await connection.execute("INSERT INTO touched (meter_id, from_ts) VALUES (%s, %s)", (february.meter_id, cut))
    await assessed(datetime(2026, 3, 11, tzinfo=UTC))
    await caller.get("/api/v1/billing/quantities", params={"period": "2026-02"})
    news = (await caller.get("/api/v1/billing/changes", params={"cursor": feed["next"]})).json()
    (row,) = news["items"]
    assert (row["state"], row["version"], row["previous_id"]) == ("adjustment", 2, old["quantity_id"])
    assert row["adjustment"]["cause"] == "edit"
    assert row["adjustment"]["old_energy_j"] == old["energy_j"]
    assert row["adjustment"]["difference_j"] == row["energy_j"] - old["energy_j"] != 0
    assert row["determinants"]["conserved"] is True
    nothing = (await caller.get("/api/v1/billing/changes", params={"cursor": news["next"]})).json()
    assert nothing["items"] == []
    known = await caller.get(
        "/api/v1/billing/as-known",
        params={"period": "2026-02", "point": february.code, "on": "2026-03-10T12:00:00Z"},
    )
    assert known.json()["items"][0]["energy_j"] == old["energy_j"]
    before = (await caller.get(f"/api/v1/billing/quantities/{old['quantity_id']}/explanation")).json()
    assert before["sums"]["intervals_j"] == old["energy_j"]
    assert [version["state"] for version in before["versions"]] == ["frozen", "adjustment"]


async def test_nothing_is_lost_between_two_pulls_while_writers_overlap(service, new_place):
    """A transaction that began first and commits last must still be seen by a consumer that pulled in between."""
    places = [await new_place(f"P-{number}", f"3000000{number}") for number in range(3)]
    caller = service.caller("billing")
    await caller.post("/api/v1/billing/periods", json=PERIOD)
    insert = """
        INSERT INTO billing_quantity (period_id, point_id, version, state, energy_j)
        SELECT period_id, %s, 1, 'frozen', 1 FROM billing_period
    """
    seen, cursor = [], None

    async def pull():
        nonlocal cursor
        page = (await caller.get("/api/v1/billing/changes", params={"cursor": cursor} if cursor else None)).json()
        cursor = page["next"]
        seen.extend(row["point"] for row in page["items"])

    async with service.pool.connection() as slow, service.pool.connection() as quick:
        async with slow.transaction():
            await slow.execute(insert, (places[0].point_id,))
            async with quick.transaction():
                await quick.execute(insert, (places[1].point_id,))
            await pull()
            assert seen == []  # the quick one waits behind the slow one rather than hiding it
        await pull()
        async with quick.transaction():
            await quick.execute(insert, (places[2].point_id,))
        await pull()
    assert seen == ["P-0", "P-1", "P-2"]


async def test_what_the_gate_holds_back_waits_with_its_reason_until_an_approver_releases_it(
    service, new_place, push_hours, assessed
):
    place = await new_place()
    await push_hours(place, START, 240)
    await assessed()
    caller = service.caller("billing")
    await caller.post("/api/v1/billing/periods", json=PERIOD)
    frozen = (await caller.post("/api/v1/billing/periods/2026-02/freeze", json={})).json()
    assert (frozen["newly_frozen"], frozen["blocked"]) == (0, 1)
    params = {"period": "2026-02", "state": "blocked"}
    (row,) = (await caller.get("/api/v1/billing/quantities", params=params)).json()["items"]
    assert (row["reason"], row["quality"]) == ("share.missing", "incomplete")
    path = f"/api/v1/billing/quantities/{row['quantity_id']}/release"
    assert (await caller.post(path, json={"reason": "x"})).status_code == 403
    released = await service.caller("approver").post(path, json={"reason": "moved in on 20 February"})
    assert (released.status_code, released.json()["state"]) == (200, "frozen"), released.text
    again = await service.caller("approver").post(path, json={"reason": "again"})
    assert (again.status_code, again.json()["code"]) == (409, "billing.not_blocked")


async def test_a_running_period_is_not_frozen_by_accident(service):
    caller = service.caller("billing")
    body = {"code": "now", "start_date": "2026-01-01", "end_date": "2027-01-15"}
    await caller.post("/api/v1/billing/periods", json=body)
    await service.caller("admin").get("/api/v1/billing/periods")
    answer = await caller.post("/api/v1/billing/periods/now/freeze", json={})
    assert answer.status_code in (200, 409)  # without points there is nothing that runs


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"code": "a b", "start_date": "2026-01-01", "end_date": "2026-02-01"}, "code"),
        ({"code": "x", "start_date": "2026-02-01", "end_date": "2026-02-01"}, "end_date"),
        ({"code": "x", "start_date": "2026-02-30", "end_date": "2026-03-01"}, "start_date"),
        ({**PERIOD, "settings": {"gate": {"max_estimated": "much"}}}, "settings"),
        ({**PERIOD, "settings": {"surprise": 1}}, "settings.surprise"),
        (
            {**PERIOD, "settings": {"tiers": [{"tier": "1", "upto_kwh": 5}, {"tier": "2", "upto_kwh": 2}]}},
            "settings.tiers",
        ),
        ({**PERIOD, "settings": {"tiers": [{"tier": "1", "from": "2026-03-01"}]}}, "settings.tiers"),
        ({**PERIOD, "settings": {"tiers": [{"tier": "1", "from": "2026-02-10"}]}}, "settings.tiers"),
        ({**PERIOD, "settings": {"tiers": [{"tier": "1", "from": 7}]}}, "settings.tiers"),
        ({**PERIOD, "settings": {"tiers": [{"tier": "1"}, {"tier": "2", "upto_kwh": 2}]}}, "settings.tiers"),
        ({**PERIOD, "settings": {"tiers": {"tier": "1"}}}, "settings"),
    ],
)
async def test_a_wrong_period_is_refused_by_name(service, body, field):
    answer = await service.caller("billing").post("/api/v1/billing/periods", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_period_code_is_used_once(service):
    caller = service.caller("billing")
    assert (await caller.post("/api/v1/billing/periods", json=PERIOD)).status_code == 201
    answer = await caller.post("/api/v1/billing/periods", json=PERIOD)
    assert (answer.status_code, answer.json()["code"]) == (409, "billing.period_exists")
