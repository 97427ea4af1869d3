"""What goes wrong between people and machines that mean well, and those that don't: a coded answer, nothing broken."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

PERIOD = {"code": "2026-02", "start_date": "2026-02-01", "end_date": "2026-03-01"}
HOSTILE = [
    "'; DROP TABLE person; --",
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}",
    "\u202e\ufeff热\U0001f525",
    "%00%0a",
    "=cmd()",
]


@pytest.fixture
async def alert(service, new_place):
    """An open alert; its number."""
    place = await new_place()
    async with service.pool.connection() as connection:
        cursor = await connection.execute(
            "INSERT INTO alert (point_id, kind, severity, from_ts) VALUES (%s, 'zero', 'warning', now())"
            " RETURNING alert_id",
            (place.point_id,),
        )
        return (await cursor.fetchone())[0]


async def test_of_two_reviewers_who_decide_at_once_one_is_told_to_look_again(service, alert):
    path = f"/api/v1/alerts/{alert}"
    answers = await asyncio.gather(
        service.caller("reviewer").post(f"{path}/resolve", json={"revision": 1, "cause": "leak"}),
        service.caller("approver").post(f"{path}/acknowledge", json={"revision": 1}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert [answer.json()["code"] for answer in answers if answer.status_code == 412] == ["stale"]
    shown = (await service.caller("reviewer").get(path)).json()
    assert (shown["revision"], len(shown["events"])) == (2, 1)


async def test_a_period_is_frozen_once_however_many_ask_at_once(service):
    caller = service.caller("billing")
    await caller.post("/api/v1/billing/periods", json=PERIOD)
    answers = await asyncio.gather(*(caller.post("/api/v1/billing/periods/2026-02/freeze", json={}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"billing.frozen"}


async def test_one_idempotency_key_sent_twice_at_once_makes_one_period(service):
    caller, headers = service.caller("billing"), {"Idempotency-Key": "only-once"}
    answers = await asyncio.gather(
        *(caller.post("/api/v1/billing/periods", json=PERIOD, headers=headers) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert 201 in {answer.status_code for answer in answers}
    again = await caller.post("/api/v1/billing/periods", json=PERIOD, headers=headers)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    other = await caller.post("/api/v1/billing/periods", json={**PERIOD, "code": "x"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.mismatch")
    assert len((await caller.get("/api/v1/billing/periods")).json()) == 1


@pytest.mark.parametrize(
    ("path", "size", "role"),
    [
        ("/api/v1/field/photos", 7 * 1024 * 1024 + 1, "technician"),
        ("/api/v1/billing/acknowledgements", 4 * 1024 * 1024 + 1, "billing"),
        ("/api/v1/billing/periods", 1024 * 1024 + 1, "billing"),
        ("/api/v1/deliveries", 8 * 1024 * 1024 + 1, "technician"),
    ],
)
async def test_what_is_larger_than_its_room_takes_is_refused_as_too_large(service, path, size, role):
    answer = await service.caller(role).post(path, content=b"x" * size)
    assert (answer.status_code, answer.json()["code"]) == (413, "body.too_large")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai"])
async def test_a_period_over_a_change_of_clocks_begins_and_ends_at_local_midnights(
    service, new_place, push_hours, assessed, zone
):
    place = await new_place()
    async with service.pool.connection() as connection:
        await connection.execute("UPDATE area SET time_zone = %s", (zone,))
    await push_hours(place, datetime(2026, 3, 27, tzinfo=UTC), 96)
    await assessed(datetime(2026, 4, 2, tzinfo=UTC))
    caller = service.caller("billing")
    await caller.post(
        "/api/v1/billing/periods", json={"code": "dst", "start_date": "2026-03-29", "end_date": "2026-03-30"}
    )
    (row,) = (await caller.get("/api/v1/billing/quantities", params={"period": "dst"})).json()["items"]
    start, end = (datetime.fromisoformat(row["determinants"][name]) for name in ("from", "to"))
    hours = {"Europe/Berlin": 23}.get(zone, 24)
    assert (end - start).total_seconds() == hours * 3600
    assert (row["determinants"]["conserved"], row["determinants"]["intervals"]) == (True, hours)


def _resolved(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _example(document, schema, text):
    """Some value that a schema allows, with `text` wherever words are free."""
    schema = _resolved(document, schema)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _example(document, schema[choice][0], text)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: _example(document, part, text) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_example(document, schema.get("items", {}), text)]
    formats = {"date": "2026-02-01", "date-time": "2030-02-01T00:00:00Z", "time": "08:00:00"}
    numbers = {"integer": max(1, int(schema.get("minimum", 1))), "number": 1.5, "boolean": True, "null": None}
    return formats.get(schema.get("format", ""), text) if kind == "string" else numbers[kind]


@pytest.mark.parametrize("text", HOSTILE, ids=["sql", "html", "template", "unicode", "escapes", "formula"])
async def test_hostile_words_in_every_text_field_are_words(service, alert, text):
    caller = service.caller("admin")
    document = (await caller.get("/api/v1/openapi.json")).json()
    tried = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path.endswith(("/read", "/search")):  # these wait for a worker
                continue
            given = operation.get("parameters", [])
            query = {
                one["name"]: _example(document, one["schema"], text)
                for one in given
                if one["in"] == "query" and _resolved(document, one["schema"]).get("type") != "boolean"
            }
            where = path
            for one in given:
                if one["in"] == "path":
                    where = where.replace(
                        "{" + one["name"] + "}", str(_example(document, one["schema"], text)).replace("/", "%2F")
                    )
            content = operation.get("requestBody", {}).get("content", {})
            body = (
                _example(document, content["application/json"]["schema"], text)
                if "application/json" in content
                else None
            )
            answer = await caller.request(method, where, params=query, json=body)
            assert answer.status_code < 500, (method, where, answer.text)
            assert "text/html" not in answer.headers.get("content-type", ""), (method, where)
            tried += 1
    assert tried > 80
    async with service.pool.connection() as connection:
        assert await (await connection.execute("SELECT count(*) FROM person")).fetchone()
        views = await (await connection.execute("SELECT name, settings::text FROM saved_view")).fetchall()
    for name, settings in views:  # what was taken was taken as it was
        assert name == text, json.loads(settings)
