"""Rule sets over HTTP: proposed by one person, tried on history, switched on by another; verdicts propose."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from api import jobs

START = datetime(2026, 1, 4, 16, tzinfo=UTC)
NOW = datetime(2026, 3, 10, tzinfo=UTC)
LONG = {"zero_use": {"warn_h": 600.0, "fail_h": 700.0}}


async def test_a_version_is_switched_on_by_another_person_than_its_author(service):
    author, other = service.caller("approver"), service.caller("lead")
    made = (await author.post("/api/v1/rules/groups/default/sets", json={"settings": LONG, "note": "calmer"})).json()
    assert (made["version"], made["state"], made["settings"]) == (2, "draft", LONG)
    assert made["effective"]["zero_use"]["min_steps"] == 4.0
    own = await author.post(f"/api/v1/rules/sets/{made['rule_set_id']}/activate")
    assert (own.status_code, own.json()["code"]) == (403, "approval.same_person")
    answer = (await other.post(f"/api/v1/rules/sets/{made['rule_set_id']}/activate")).json()
    assert (answer["state"], answer["activated_by"]) == ("active", "key:lead")
    listed = (await author.get("/api/v1/rules/groups/default/sets")).json()
    assert [(row["version"], row["state"]) for row in listed] == [(2, "active"), (1, "retired")]
    again = await other.post(f"/api/v1/rules/sets/{made['rule_set_id']}/activate")
    assert (again.status_code, again.json()["code"]) == (409, "rules.active")
    log = (await service.caller("admin").get("/api/v1/audit")).json()["items"]
    assert [row["action"] for row in log if row["action"].startswith("rules")] == ["rules.activate", "rules.propose"]


@pytest.mark.parametrize(
    "settings",
    [{"zero": {"warn_h": 5}}, {"zero_use": {"warn": 5}}, {"low_use": {"days": 2.5}}, {"zero_use": {"warn_h": True}}],
)
async def test_a_threshold_that_does_not_exist_is_refused_by_name(service, settings):
    answer = await service.caller("approver").post("/api/v1/rules/groups/default/sets", json={"settings": settings})
    assert (answer.status_code, answer.json()["code"]) == (422, "rules.invalid")


async def test_the_catalogue_names_what_a_rule_set_may_change(service):
    rows = {row["rule"]: row for row in (await service.caller("reviewer").get("/api/v1/rules/catalogue")).json()}
    assert rows["zero_use"]["thresholds"]["warn_h"] == 24.0
    assert rows["gaps"]["thresholds"]["near_k"] == 5.0
    assert all(row["about"] for row in rows.values())


async def test_a_group_of_its_own_has_its_own_thresholds_and_results_name_them(
    service, new_place, push_hours, assessed
):
    lead, approver = service.caller("lead"), service.caller("approver")
    assert (await lead.post("/api/v1/rules/groups", json={"code": "schools"})).status_code == 201
    place = await new_place("P-1", since=START, heated_area_m2=90)
    await push_hours(place, START, 24 * 20)
    await push_hours(place, START.replace(day=24), 24 * 8, index=Decimal("1589.17"), step=Decimal(0))
    found = await lead.post("/api/v1/rules/groups/schools/points", json={"points": ["P-1", "nobody"]})
    assert found.json() == {"found": 1}
    calm = {"zero_use": {"warn_h": 30.0}}
    made = (await approver.post("/api/v1/rules/groups/schools/sets", json={"settings": calm})).json()
    await lead.post(f"/api/v1/rules/sets/{made['rule_set_id']}/activate")
    await assessed(datetime(2026, 2, 1, 16, tzinfo=UTC))
    async with service.pool.connection() as connection:
        query = "SELECT DISTINCT kind, a.rule_set_id, f.rule_set_id FROM alert a JOIN finding f USING (alert_id, kind)"
        alerts = await (await connection.execute(query)).fetchall()
        rows = await (await connection.execute("SELECT DISTINCT rule_set_id FROM consumption")).fetchall()
    assert alerts == [("zero_use", made["rule_set_id"], made["rule_set_id"])]
    assert rows == [(made["rule_set_id"],)]


async def test_thresholds_are_tried_on_history_by_a_worker_and_nothing_else_changes(
    service, new_place, push_hours, assessed
):
    place = await new_place("P-1", since=START, heated_area_m2=90)
    await push_hours(place, START, 24 * 20)
    await push_hours(place, START.replace(day=24), 24 * 8, index=Decimal("1589.17"), step=Decimal(0))
    await assessed(datetime(2026, 2, 1, 16, tzinfo=UTC))
    reviewer = service.caller("reviewer")
    body = {"settings": {**LONG, "hours": {"spike_share": 0.01}}, "from": START.isoformat()}
    answer = await reviewer.post("/api/v1/rules/trials", json=body)
    assert answer.status_code == 202
    number = answer.json()["trial_id"]
    assert answer.json()["state"] == "waiting"
    app = jobs.service_jobs(service.url, service.pool)
    async with app.open_async():
        await app.run_worker_async(queues=[jobs.QUEUE], wait=False, install_signal_handlers=False)
    done = (await reviewer.get(f"/api/v1/rules/trials/{number}")).json()
    assert (done["state"], done["done"], done["whole"]) == ("done", 1, 1), done["message"]
    assert done["result"]["alerts"] == {"before": {"zero_use": 1}, "after": {}, "gained": 0, "lost": 1}
    assert done["result"]["alert_changes"][0]["point"] == "P-1"
    assert done["result"]["bills"]["changed"] == 0 < done["result"]["bills"]["compared"]
    async with service.pool.connection() as connection:
        assert await (await connection.execute("SELECT count(*) FROM alert WHERE state = 'open'")).fetchone() == (1,)
    assert (await reviewer.get("/api/v1/rules/trials")).json()[0]["trial_id"] == number
    backwards = {"settings": {}, "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    assert (await reviewer.post("/api/v1/rules/trials", json=backwards)).status_code == 422


async def test_verdicts_propose_a_threshold_with_their_evidence(service, new_place):
    place = await new_place("P-1")
    async with service.pool.connection() as connection:
        for number in range(24):
            right = number >= 8
            row = await (
                await connection.execute(
                    "INSERT INTO alert (point_id, kind, severity, from_ts, state, cause, rule, closed_at)"
                    " VALUES (%s, 'zero_use', 'warning', now(), 'resolved', %s, 'V13', now()) RETURNING alert_id",
                    (place.point_id, "meter_defect" if right else "real_use"),
                )
            ).fetchone()
            await connection.execute(
                "INSERT INTO finding (alert_id, run_id, point_id, kind, rule, severity, from_ts, to_ts, observed,"
                " details) VALUES (%s, 1, %s, 'zero_use', 'V13', 'warning', now() + make_interval(hours => %s), now(),"
                " 0, jsonb_build_object('zero_h', %s::float8, 'expected_kwh', null))",
                (row[0], place.point_id, number, 80.0 + number if right else 25.0 + number / 10),
            )
    (proposal,) = (await service.caller("reviewer").get("/api/v1/rules/groups/default/proposals")).json()
    assert (proposal["threshold"], proposal["current"]) == ("zero_use.warn_h", 24.0)
    assert (proposal["right"], proposal["wrong"], proposal["right_kept"]) == (16, 8, 16)
    assert proposal["precision_after"] >= 0.9 > proposal["precision_before"]
    groups = (await service.caller("reviewer").get("/api/v1/rules/groups")).json()
    assert groups[0]["version"] == 1  # shown, not applied


async def test_extrapolation_is_a_switch_with_reason_and_expiry(service, new_place):
    place, approver = await new_place("P-1"), service.caller("approver")
    address = f"/api/v1/rules/extrapolations/{place.meter_id}"
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    made = await approver.put(address, json={"until": until, "reason": "battery ordered"})
    assert (made.status_code, made.json()["serial"], made.json()["created_by"]) == (200, "12345678", "key:approver")
    assert len((await approver.get("/api/v1/rules/extrapolations")).json()) == 1
    late = (datetime.now(UTC) + timedelta(days=500)).isoformat()
    assert (await approver.put(address, json={"until": late, "reason": "x"})).status_code == 422
    assert (await service.caller("technician").put(address, json={"until": until, "reason": "x"})).status_code == 403
    unknown = "/api/v1/rules/extrapolations/99999"
    assert (await approver.put(unknown, json={"until": until, "reason": "x"})).status_code == 404
    assert (await approver.delete(address)).status_code == 204
    assert (await approver.delete(address)).status_code == 404
