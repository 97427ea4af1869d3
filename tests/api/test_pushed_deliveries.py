"""Deliveries pushed by HTTP: what each becomes, and how bad input is told."""

import json
from datetime import UTC, datetime, timedelta

import pytest

NOW = datetime.now(UTC).replace(microsecond=0)


def body(serial, at, energy):
    meter = {"serial": serial, "manufacturer": "KAM", "medium": "heat"}
    values = [{"register": "energy", "value": energy, "unit": "kWh"}]
    return {
        "protocol": "reading",
        "payload": {"meter": meter, "time": at.isoformat(), "readings": values},
        "time": at.isoformat(),
    }


async def test_a_pushed_reading_is_stored_once_and_read_back_exactly(service, new_place):
    place = await new_place()
    caller = service.caller("technician")
    at = NOW - timedelta(hours=1)
    first = await caller.post("/api/v1/deliveries", json=body(place.serial, at, "1234.56"))
    assert first.status_code == 201, first.text
    assert first.json()["readings"] == 1
    again = await caller.post("/api/v1/deliveries", json=body(place.serial, at, "1234.56"))
    assert (again.status_code, again.json()["state"]) == (200, "duplicate")
    assert again.json()["delivery_id"] == first.json()["delivery_id"]
    found = (await caller.get(f"/api/v1/meters/{place.meter_id}/readings")).json()["items"]
    assert [(row["display"], row["count"], row["register"]) for row in found] == [("1234.56", 123456, "energy")]
    by_serial = (await caller.get("/api/v1/readings", params={"serial": place.serial})).json()["items"]
    assert by_serial == found
    delivery = (await caller.get(f"/api/v1/deliveries/{found[0]['delivery_id']}")).json()
    assert bytes.fromhex(delivery["hex"]).startswith(b'{"meter"')
    assert delivery["decoding"]["telegrams"][0]["meter"]["serial"] == place.serial
    assert delivery["readings"][0]["display"] == "1234.56"


async def test_an_unknown_meter_goes_to_quarantine_and_is_adopted_with_its_readings(service, new_place):
    place = await new_place()
    caller = service.caller("technician")
    at = NOW - timedelta(hours=2)
    pushed = await caller.post("/api/v1/deliveries", json=body("99887766", at, "5.0"))
    assert (pushed.status_code, pushed.json()["code"]) == (202, "meter.unknown")
    heard = (await caller.get("/api/v1/discovered")).json()["items"]
    assert [row["serial"] for row in heard] == ["99887766"]
    adopted = await caller.post(f"/api/v1/discovered/{heard[0]['discovered_id']}/adopt", json={})
    assert adopted.status_code == 201, adopted.text
    assert adopted.json()["replayed"] == {"deliveries": 1, "readings": 1}
    readings = (await caller.get(f"/api/v1/meters/{adopted.json()['meter_id']}/readings")).json()["items"]
    assert [row["display"] for row in readings] == ["5.0"]
    assert (await caller.get("/api/v1/quarantine")).json()["items"] == []
    assert place.meter_id != adopted.json()["meter_id"]
    twice = await caller.post(f"/api/v1/discovered/{heard[0]['discovered_id']}/adopt", json={})
    assert (twice.status_code, twice.json()["code"]) == (409, "discovered.settled")


async def test_undecodable_bytes_stay_in_quarantine_until_they_are_dismissed(service):
    caller = service.caller("technician")
    pushed = await caller.post("/api/v1/deliveries", json={"hex": "680303680801005516", "protocol": "mbus"})
    assert pushed.status_code == 202
    entry = (await caller.get("/api/v1/quarantine")).json()["items"][0]
    assert entry["code"].startswith("frame.")
    again = await caller.post(f"/api/v1/quarantine/{entry['quarantine_id']}/replay")
    assert again.json()["state"] == "quarantined"
    assert (await caller.post(f"/api/v1/quarantine/{entry['quarantine_id']}/dismiss")).status_code == 204
    twice = await caller.post(f"/api/v1/quarantine/{entry['quarantine_id']}/dismiss")
    assert (twice.status_code, twice.json()["code"]) == (409, "quarantine.settled")


async def test_a_list_and_json_lines_tell_what_each_became(service, new_place):
    place = await new_place()
    caller = service.caller("technician")
    items = [body(place.serial, NOW - timedelta(hours=hour), str(100 - hour)) for hour in range(1, 4)]
    pushed = await caller.post("/api/v1/deliveries", json=[*items, {"hex": "ff", "protocol": "mbus"}])
    assert pushed.status_code == 200
    told = pushed.json()
    assert (told["stored"], told["duplicate"], told["quarantined"]) == (3, 0, 1)
    lines = b"\n".join(json.dumps(item).encode() for item in items)
    again = await caller.post("/api/v1/deliveries", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert again.json()["duplicate"] == 3


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 422, "body"),
        (b'{"hex": "zz"}', 422, "hex"),
        (b'{"hex": "00", "base64": "AA=="}', 422, "base64"),
        (b"{}", 422, "hex"),
        (b'{"base64": "#"}', 422, "base64"),
        (b'{"hex": "00", "protocol": "smoke"}', 422, "protocol"),
        (b'{"hex": "00", "time": "yesterday"}', 422, "time"),
        (b'{"hex": "00", "time": "2026-01-01T00:00:00"}', 422, "time"),
        (b'{"hex": "00", "port": 999}', 422, "port"),
        (b'{"hex": "00", "key": "00112233"}', 422, "body"),
        (b'[{"hex": "00"}, {"hex": 5}]', 422, "[1].hex"),
        (b'{"hex": "00", "meter": 123456}', 422, "meter"),
        (b'{"hex": "00", "topic": "a\\u0000b"}', 422, "topic"),
        (b"\xff\xfe", 422, "body"),
    ],
)
async def test_malformed_input_is_a_problem_that_names_the_field(service, body, status, field):
    answer = await service.caller("technician").post(
        "/api/v1/deliveries", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


@pytest.mark.parametrize(("days", "code"), [(400, "time.future"), (-365 * 40, "time.past")])
async def test_an_unbelievable_time_is_quarantined(service, new_place, days, code):
    place = await new_place()
    pushed = await service.caller("technician").post(
        "/api/v1/deliveries", json=body(place.serial, NOW + timedelta(days=days), "1")
    )
    assert (pushed.status_code, pushed.json()["code"]) == (202, code)


async def test_a_body_above_the_limit_is_refused_before_it_is_read(service):
    caller = service.caller("technician")
    announced = await caller.post("/api/v1/deliveries", content=b" " * (9 * 1024 * 1024))
    assert (announced.status_code, announced.json()["code"]) == (413, "body.too_large")

    async def endless():
        for _ in range(200):
            yield b" " * 65536

    streamed = await caller.post("/api/v1/deliveries", content=endless())
    assert (streamed.status_code, streamed.json()["code"]) == (413, "body.too_large")
    small = await caller.post("/api/v1/alerts/bulk", content=b" " * 2_000_000)
    assert small.status_code == 413


async def test_a_replayed_idempotency_key_answers_the_same_and_refuses_another_body(service, new_place):
    place = await new_place()
    caller, headers = service.caller("technician"), {"Idempotency-Key": "abc-1"}
    sent = body(place.serial, NOW - timedelta(hours=3), "7.5")
    first = await caller.post("/api/v1/deliveries", json=sent, headers=headers)
    second = await caller.post("/api/v1/deliveries", json=sent, headers=headers)
    assert (second.status_code, second.json()) == (first.status_code, first.json())
    assert second.headers["Idempotency-Replayed"] == "true"
    other = await caller.post("/api/v1/deliveries", json={**sent, "id": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.mismatch")
    someone_else = await service.caller("lead").post("/api/v1/deliveries", json=sent, headers=headers)
    assert someone_else.json()["readings"] == 0
