"""A reviewer's decisions: the queue's order, moves, revisions, history, areas."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from api.access import SYSTEM
from api.alerts import service as review
from api.people import service as people

NOW = datetime.now(UTC)


@pytest.fixture
def new_alert(service):
    async def make(place, *, kind="zero", kwh=100.0, confidence=0.5, severity="warning", opened=NOW):
        query = """
            INSERT INTO alert (point_id, meter_id, kind, severity, from_ts, energy_at_stake_kwh, confidence, rule,
            opened_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING alert_id
        """
        values = (place.point_id, place.meter_id, kind, severity, opened, kwh, confidence, f"rule-{kind}", opened)
        async with service.pool.connection() as connection:
            return (await (await connection.execute(query, values)).fetchone())[0]

    return make


async def test_the_queue_is_ranked_by_energy_at_stake_times_confidence_and_pages_without_a_gap(
    service, new_place, new_alert
):
    place = await new_place()
    expected = []
    for number in range(25):
        kwh = float(number % 7 + 1)
        expected.append((-(kwh * 0.5), await new_alert(place, kind=f"kind-{number}", kwh=kwh)))
    caller, cursor, seen = service.caller("reviewer"), None, []
    while True:
        params = {"limit": 10, **({"cursor": cursor} if cursor else {})}
        page = (await caller.get("/api/v1/alerts", params=params)).json()
        seen += [(-row["rank"], row["alert_id"]) for row in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(expected)


async def test_a_decision_is_made_on_a_revision_and_the_slower_reviewer_is_told(service, new_place, new_alert):
    place = await new_place()
    alert_id = await new_alert(place)
    caller = service.caller("reviewer")
    seen = await caller.get(f"/api/v1/alerts/{alert_id}")
    assert seen.headers["etag"] == '"1"'
    none = await caller.post(f"/api/v1/alerts/{alert_id}/acknowledge", json={})
    assert (none.status_code, none.json()["code"]) == (428, "revision.required")
    both = await asyncio.gather(
        caller.post(f"/api/v1/alerts/{alert_id}/acknowledge", json={}, headers={"If-Match": '"1"'}),
        service.caller("lead").post(
            f"/api/v1/alerts/{alert_id}/resolve", json={"cause": "false_alarm"}, headers={"If-Match": '"1"'}
        ),
    )
    assert sorted(answer.status_code for answer in both) == [200, 412]
    slower = next(answer for answer in both if answer.status_code == 412)
    assert slower.json()["code"] == "stale"


async def test_the_whole_life_of_an_alert_is_in_its_history_and_in_the_audit_log(service, new_place, new_alert):
    place = await new_place()
    path = f"/api/v1/alerts/{await new_alert(place)}"
    caller = service.caller("reviewer")
    later = (NOW + timedelta(days=3)).isoformat()
    steps = [
        ("acknowledge", {}, "acknowledged"),
        ("assign", {"assignee": "li"}, "acknowledged"),
        ("comment", {"comment": "看看"}, "acknowledged"),
        ("snooze", {"until": later}, "snoozed"),
        ("field-check", {"due_at": later, "assignee": "wang"}, "field_check"),
        ("resolve", {"cause": "meter_defect", "comment": "换表"}, "resolved"),
        ("reopen", {"comment": "again"}, "open"),
        ("suppress", {"until": later, "comment": "vacant until spring"}, "suppressed"),
    ]
    for revision, (action, body, state) in enumerate(steps, start=1):
        answer = await caller.post(f"{path}/{action}", json={**body, "revision": revision})
        assert answer.status_code == 200, (action, answer.text)
        assert (answer.json()["state"], answer.json()["revision"]) == (state, revision + 1)
    events = (await caller.get(path)).json()["events"]
    assert [event["action"].replace("_", "-") for event in events] == [step[0] for step in steps]
    assert events[5]["cause"] == "meter_defect"
    log = (await service.caller("lead").get("/api/v1/audit")).json()["items"]
    assert next(row["action"] for row in log if row["action"].startswith("alert.")) == "alert.suppress"


async def test_a_move_that_the_table_does_not_allow_is_a_conflict(service, new_place, new_alert):
    place = await new_place()
    path = f"/api/v1/alerts/{await new_alert(place)}"
    answer = await service.caller("reviewer").post(f"{path}/reopen", json={"revision": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "alert.move")


@pytest.mark.parametrize(
    ("action", "body", "code"),
    [
        ("resolve", {"cause": "because"}, "alert.cause"),
        ("snooze", {"until": "2020-01-01T00:00:00Z"}, "alert.until"),
        ("field-check", {"due_at": "2020-01-01T00:00:00Z"}, "alert.due"),
        ("comment", {"comment": "   "}, "input.invalid"),
        ("comment", {"comment": "a\u0000b"}, "input.invalid"),
        ("snooze", {"until": "2030-01-01T00:00:00"}, "input.invalid"),
        ("acknowledge", {"surprise": 1}, "input.invalid"),
    ],
)
async def test_an_incomplete_decision_is_refused_by_name(service, new_place, new_alert, action, body, code):
    place = await new_place()
    path = f"/api/v1/alerts/{await new_alert(place)}"
    answer = await service.caller("reviewer").post(f"{path}/{action}", json={"revision": 1, **body})
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_sleeping_alerts_wake_when_their_time_is_over(service, new_place, new_alert):
    place = await new_place()
    first, second = await new_alert(place), await new_alert(place, kind="jump")
    caller, soon = service.caller("reviewer"), (NOW + timedelta(hours=1)).isoformat()
    await caller.post(f"/api/v1/alerts/{first}/snooze", json={"revision": 1, "until": soon})
    await caller.post(f"/api/v1/alerts/{second}/suppress", json={"revision": 1, "until": soon, "comment": "known"})
    async with service.pool.connection() as connection, connection.transaction():
        assert await review.wake(connection, now=datetime.now(UTC)) == 0
        assert await review.wake(connection, now=NOW + timedelta(hours=2)) == 2
    assert {(await caller.get(f"/api/v1/alerts/{number}")).json()["state"] for number in (first, second)} == {"open"}


async def test_a_bulk_decision_tells_each_result(service, new_place, new_alert):
    place = await new_place()
    ids = [await new_alert(place, kind=f"k{number}") for number in range(3)]
    caller = service.caller("reviewer")
    await caller.post(f"/api/v1/alerts/{ids[0]}/resolve", json={"revision": 1, "cause": "other"})
    body = {"alert_ids": [*ids, 999_999], "action": "acknowledge"}
    told = (await caller.post("/api/v1/alerts/bulk", json=body)).json()
    assert told["changed"] == 2
    assert {row["alert_id"]: row.get("code") for row in told["results"]} == {
        ids[0]: "alert.move",
        ids[1]: None,
        ids[2]: None,
        999_999: "not_found",
    }


async def test_a_person_sees_only_the_alerts_of_their_areas(service, new_place, new_alert):
    near, far = await new_place(), await new_place("P-2", "22222222", area="B2")
    seen, hidden = await new_alert(near), await new_alert(far)
    async with service.pool.connection() as connection, connection.transaction():
        _, key = await people.add_key(connection, SYSTEM, "north", "reviewer", areas=["A1"])
    headers = {"Authorization": f"Bearer {key}"}
    caller = service.caller(None)
    rows = (await caller.get("/api/v1/alerts", headers=headers)).json()["items"]
    assert [row["alert_id"] for row in rows] == [seen]
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/acknowledge", {"revision": 1}),
        ("POST", "/comment", {"comment": "x"}),
    ):
        answer = await caller.request(method, f"/api/v1/alerts/{hidden}{path}", json=body, headers=headers)
        assert answer.status_code == 404


async def test_precision_of_a_rule_comes_from_verdicts(service, new_place, new_alert):
    caller = service.caller("reviewer")
    for number, cause in enumerate(["meter_defect", "leak", "real_use", "recovered"]):
        place = await new_place(f"P-{number}", f"1000000{number}")
        await caller.post(f"/api/v1/alerts/{await new_alert(place)}/resolve", json={"revision": 1, "cause": cause})
    rows = (await caller.get("/api/v1/alerts/precision")).json()
    assert rows == [
        {"rule": "rule-zero", "kind": "zero", "true": 2, "false": 1, "undecided": 1, "precision": pytest.approx(2 / 3)}
    ]


async def test_the_evidence_holds_index_consumption_and_raw_telegrams(service, new_place, new_alert, push_hours):
    place = await new_place()
    first = NOW.replace(minute=0, second=0, microsecond=0) - timedelta(hours=49)
    await push_hours(place, first, 48)
    alert_id = await new_alert(place, opened=NOW - timedelta(days=1))
    made = (await service.caller("reviewer").get(f"/api/v1/alerts/{alert_id}/evidence")).json()
    (index, volume) = made["series"]
    assert (index["unit"], len(index["values"]), index["values"][0]) == ("kWh", 48, pytest.approx(1000))
    assert volume["unit"] == "m3"
    assert bytes.fromhex(made["deliveries"][0]["payload"]).startswith(b"{")
    bad = await service.caller("reviewer").get(
        f"/api/v1/alerts/{alert_id}/evidence", params={"from": "0001-01-01T00:00:00Z"}
    )
    assert bad.status_code == 422


@pytest.mark.parametrize("text", ["'; DROP TABLE alert; --", "<script>alert(1)</script>", "%_\\", "\u202e"])
async def test_words_are_only_words(service, new_place, new_alert, text):
    place = await new_place()
    path = f"/api/v1/alerts/{await new_alert(place)}"
    caller = service.caller("reviewer")
    assert (await caller.post(f"{path}/comment", json={"comment": text})).status_code == 200
    assert (await caller.get(path)).json()["events"][0]["comment"] == text
    assert (await caller.get("/api/v1/alerts", params={"text": text})).json()["items"] == []
