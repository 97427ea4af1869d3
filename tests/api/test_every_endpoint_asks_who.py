"""Every endpoint of the OpenAPI document asks for a proof, a role and the caller's areas.

A new endpoint must say here for whom it is: the table is written from the roles of docs/api.md, not from the code.
"""

import re
from datetime import UTC, datetime, timedelta

import pytest

from api.access import SYSTEM
from api.people import service as people

EVERYBODY = {"technician", "reviewer", "approver", "lead", "billing", "admin"}
ON_SITE = {"technician", "lead", "admin"}
REVIEW = {"reviewer", "approver", "lead", "admin"}
APPROVE = {"approver", "lead", "admin"}
LEAD = {"lead", "admin"}
FIGURES = {"billing", "reviewer", "approver", "lead", "admin"}
SETTLE = {"billing", "approver", "admin"}
ADMIN = {"admin"}
# Log-in and log-out are the only doors that stand open.
OPEN = set()
MAY = {
    "POST /deliveries": ON_SITE,
    "GET /deliveries/{delivery_id}": EVERYBODY,
    "POST /deliveries/replay": ON_SITE,
    "GET /quarantine": ON_SITE,
    "GET /quarantine/counts": EVERYBODY,
    "POST /quarantine/{quarantine_id}/replay": ON_SITE,
    "POST /quarantine/{quarantine_id}/dismiss": ON_SITE,
    "GET /discovered": ON_SITE,
    "POST /discovered/{discovered_id}/adopt": ON_SITE,
    "POST /discovered/{discovered_id}/dismiss": ON_SITE,
    "GET /meters/{meter_id}/readings": EVERYBODY,
    "GET /readings": EVERYBODY,
    "GET /points/{code}/consumption": EVERYBODY,
    "GET /areas": EVERYBODY,
    "POST /areas": ADMIN,
    "GET /points": EVERYBODY,
    "POST /points": ON_SITE,
    "GET /points/{code}": EVERYBODY,
    "PATCH /points/{code}": ON_SITE,
    "POST /points/{code}/state": ON_SITE,
    "GET /meters": EVERYBODY,
    "POST /meters": ON_SITE,
    "GET /meters/{meter_id}": EVERYBODY,
    "PUT /meters/{meter_id}/key": ON_SITE,
    "POST /installations": ON_SITE,
    "PATCH /installations/{installation_id}": LEAD,
    "GET /gateways": EVERYBODY,
    "GET /alerts": EVERYBODY,
    "GET /alerts/counts": EVERYBODY,
    "GET /alerts/causes": EVERYBODY,
    "GET /alerts/precision": EVERYBODY,
    "GET /incidents": EVERYBODY,
    "POST /alerts/bulk": REVIEW,
    "GET /alerts/{alert_id}": EVERYBODY,
    "GET /alerts/{alert_id}/evidence": EVERYBODY,
    "POST /alerts/{alert_id}/acknowledge": REVIEW,
    "POST /alerts/{alert_id}/assign": REVIEW,
    "POST /alerts/{alert_id}/snooze": REVIEW,
    "POST /alerts/{alert_id}/suppress": REVIEW,
    "POST /alerts/{alert_id}/field-check": REVIEW,
    "POST /alerts/{alert_id}/resolve": REVIEW,
    "POST /alerts/{alert_id}/reopen": REVIEW,
    "POST /alerts/{alert_id}/comment": EVERYBODY,
    "GET /audit-samples": LEAD,
    "POST /audit-samples": LEAD,
    "GET /audit-samples/{sample_id}": LEAD,
    "POST /audit-samples/{sample_id}/findings": LEAD,
    "GET /views": EVERYBODY,
    "POST /views": EVERYBODY,
    "DELETE /views/{view_id}": EVERYBODY,
    "GET /field/board": EVERYBODY,
    "GET /field/gateways/{gateway_id}": EVERYBODY,
    "POST /field/meters/{meter_id}/read": ON_SITE,
    "GET /field/gateways/{gateway_id}/search": ON_SITE,
    "GET /field/meters/{meter_id}/commissioning": EVERYBODY,
    "PUT /field/meters/{meter_id}/commissioning": ON_SITE,
    "POST /field/exchanges": ON_SITE,
    "POST /field/readings/check": ON_SITE,
    "POST /field/readings": ON_SITE,
    "GET /field/readings": EVERYBODY,
    "POST /field/readings/{manual_id}/approve": APPROVE,
    "POST /field/readings/{manual_id}/reject": REVIEW,
    "GET /field/operators": LEAD,
    "GET /field/routes/{area}": EVERYBODY,
    "POST /field/photos": ON_SITE,
    "GET /field/photos/{reference}": EVERYBODY,
    "GET /field/campaigns": EVERYBODY,
    "POST /field/campaigns": LEAD,
    "POST /field/campaigns/{code}/refresh": ON_SITE,
    "GET /field/campaigns/{code}/points": EVERYBODY,
    "POST /field/campaigns/{code}/findings": ON_SITE,
    "GET /field/campaigns/{code}/report": EVERYBODY,
    "GET /reports/points/{code}/month": EVERYBODY,
    "GET /reports/{kind}": LEAD,
    "GET /rules/catalogue": EVERYBODY,
    "GET /rules/groups": EVERYBODY,
    "POST /rules/groups": LEAD,
    "POST /rules/groups/{code}/points": LEAD,
    "GET /rules/groups/{code}/sets": EVERYBODY,
    "POST /rules/groups/{code}/sets": APPROVE,
    "GET /rules/groups/{code}/proposals": REVIEW,
    "GET /rules/sets/{rule_set_id}": EVERYBODY,
    "POST /rules/sets/{rule_set_id}/activate": APPROVE,
    "GET /rules/trials": REVIEW,
    "POST /rules/trials": REVIEW,
    "GET /rules/trials/{trial_id}": REVIEW,
    "GET /rules/extrapolations": EVERYBODY,
    "PUT /rules/extrapolations/{meter_id}": APPROVE,
    "DELETE /rules/extrapolations/{meter_id}": APPROVE,
    "GET /billing/periods": FIGURES,
    "POST /billing/periods": SETTLE,
    "GET /billing/periods/{code}": FIGURES,
    "POST /billing/periods/{code}/freeze": SETTLE,
    "POST /billing/periods/{code}/recalculate": SETTLE,
    "GET /billing/quantities": FIGURES,
    "GET /billing/changes": FIGURES,
    "POST /billing/acknowledgements": FIGURES,
    "GET /billing/quantities/{quantity_id}": FIGURES,
    "POST /billing/quantities/{quantity_id}/release": APPROVE & SETTLE,
    "GET /billing/quantities/{quantity_id}/explanation": FIGURES,
    "GET /billing/explanation": FIGURES,
    "GET /billing/as-known": FIGURES,
    "GET /billing/webhooks": SETTLE,
    "POST /billing/webhooks": SETTLE,
    "DELETE /billing/webhooks/{webhook_id}": SETTLE,
    "GET /billing/quantities/{quantity_id}/green-button": FIGURES,
    "GET /billing/mscons": FIGURES,
    "POST /session": OPEN,
    "DELETE /session": OPEN,
    "GET /session/openid": OPEN,
    "GET /session/openid/callback": OPEN,
    "GET /me": EVERYBODY,
    "GET /people": LEAD,
    "POST /people": ADMIN,
    "PATCH /people/{name}": ADMIN,
    "GET /keys": ADMIN,
    "POST /keys": ADMIN,
    "DELETE /keys/{api_key_id}": ADMIN,
    "GET /audit": LEAD,
    "GET /notifications": ADMIN,
    "POST /notifications": ADMIN,
    "GET /notifications/messages": ADMIN,
    "POST /notifications/{rule_id}/test": ADMIN,
    "DELETE /notifications/{rule_id}": ADMIN,
}
NOBODY_THERE = "999999"
CLOSED = sorted(name for name, roles in MAY.items() if roles)


def address(name, value=NOBODY_THERE):
    method, path = name.split(" ")
    return method, "/api/v1" + re.sub(r"\{\w+\}", value, path)


async def test_every_endpoint_of_the_document_says_for_whom_it_is(service):
    document = (await service.caller(None).get("/api/v1/openapi.json")).json()
    told = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, operations in document["paths"].items()
        for method in operations
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert told == set(MAY)


async def test_without_a_proof_every_endpoint_is_closed(service):
    for name in CLOSED:
        method, path = address(name)
        answer = await service.caller(None).request(method, path, json=None if method == "GET" else {})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), name


@pytest.mark.parametrize("role", sorted(EVERYBODY))
async def test_a_role_is_let_in_where_the_table_says_and_nowhere_else(service, role):
    # An empty request: who may come in is told what is wrong with it, who may not is told that alone. What waits for
    # a worker is asked of things that are not there.
    for name in CLOSED:
        method, path = address(name)
        answer = await service.caller(role).request(method, path, json=None if method == "GET" else {})
        refused = answer.status_code == 403
        if name.endswith("/release") and role == "billing":
            assert answer.status_code == 422  # the reason is asked for first; the service refuses the role then
            continue
        assert refused == (role not in MAY[name]), (name, role, answer.text)
        if refused:
            assert answer.json()["code"] == "role.wrong", name


@pytest.fixture
async def elsewhere(service, new_place, push_hours, assessed):
    """Things of an area that the limited caller does not see, by the names that addresses use."""
    place = await new_place("FOREIGN-1", "77777777", area="B1", building="Foreign House", address="Foreign road 1")
    await new_place("OWN-1", "12345678", area="A1")
    await push_hours(place, datetime(2026, 2, 1, tzinfo=UTC), 72)
    await assessed()
    admin, day = service.caller("admin"), "2026-02-02"

    async def made(path, **body):
        answer = await admin.post(f"/api/v1{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    await made("/billing/periods", code="2026-02", start_date="2026-02-01", end_date="2026-03-01")
    await admin.get("/api/v1/billing/quantities", params={"period": "2026-02"})
    await made("/field/campaigns", code="foreign", name="f", kind="other", area="B1", start_date=day, end_date=day)
    at = datetime(2026, 2, 2, tzinfo=UTC)
    entry = await made(
        "/field/readings", meter_id=place.meter_id, at=at.isoformat(), display="1029.80", kind="edit",
        register="energy", reason="r", confirmed=True,
    )  # fmt: skip
    rule = await made("/notifications", role="lead", area="B1", url="json://127.0.0.1:1/")
    everywhere = await made("/notifications", role="lead", url="json://127.0.0.1:1/")
    sample = await made("/audit-samples", area="B1")
    key = await made("/keys", name="foreign key", role="admin", areas=["B1"])
    await made("/people", name="stranger", role="admin", areas=["B1"])
    async with service.pool.connection() as connection:

        async def number(query, *values):
            return (await (await connection.execute(query, values)).fetchone())[0]

        alert = await number(
            "INSERT INTO alert (point_id, meter_id, kind, severity, from_ts, energy_at_stake_kwh, confidence, rule)"
            " VALUES (%s, %s, 'zero_use', 'critical', %s, 10, 0.9, 'V13') RETURNING alert_id",
            place.point_id, place.meter_id, at,
        )  # fmt: skip
        gateway = await number(
            "INSERT INTO gateway (code, kind, address, area_id) VALUES ('FOREIGN-GW', 'mbus_tcp', 'h:1', %s)"
            " RETURNING gateway_id",
            place.area_id,
        )
        await connection.execute(
            "INSERT INTO extrapolation (meter_id, until, reason, created_by) VALUES (%s, %s, 'Foreign', 'x')",
            (place.meter_id, at + timedelta(days=900)),
        )
        quantity = await number("SELECT quantity_id FROM billing_quantity WHERE point_id = %s", place.point_id)
        installation = await number("SELECT installation_id FROM installation WHERE point_id = %s", place.point_id)
        delivery = await number("SELECT max(delivery_id) FROM delivery")
    return {
        "point": "FOREIGN-1", "meter_id": place.meter_id, "alert_id": alert, "gateway_id": gateway,
        "quantity_id": quantity, "installation_id": installation, "delivery_id": delivery,
        "manual_id": entry["manual_id"], "sample_id": sample["sample_id"], "campaign": "foreign",
        "rule_id": rule["rule_id"], "everywhere": everywhere["rule_id"], "api_key_id": key["api_key_id"],
    }  # fmt: skip


@pytest.fixture
async def limited(service, elsewhere):
    """Callers of every role that are limited to the area A1."""
    async with service.pool.connection() as connection, connection.transaction():
        for role in sorted(EVERYBODY):
            _, service.keys[f"{role} of A1"] = await people.add_key(
                connection, SYSTEM, f"{role} of A1", role, areas=["A1"]
            )
    return lambda role: service.caller(f"{role} of A1")


IN = "2026-02-02T08:00:00+00:00"
REVISION = {"revision": 1}
# (who, method, path, body): requests that reach for what lies elsewhere, each valid in itself.
REACHES = (
    ("technician", "GET", "/points/{point}", None),
    ("technician", "PATCH", "/points/{point}", {"heated_area_m2": "1.00"}),
    ("technician", "POST", "/points/{point}/state", {"state": "closed", "since": IN}),
    ("technician", "GET", "/points/{point}/consumption?from=2026-02-01T00:00:00Z&to=2026-02-03T00:00:00Z", None),
    ("technician", "POST", "/points", {"code": "NEW", "area": "B1"}),
    ("technician", "GET", "/meters/{meter_id}", None),
    ("technician", "PUT", "/meters/{meter_id}/key", {"key": "00" * 16}),
    ("technician", "GET", "/meters/{meter_id}/readings", None),
    ("technician", "POST", "/installations", {"point": "FOREIGN-1", "meter_id": 1, "start": IN}),
    ("technician", "GET", "/deliveries/{delivery_id}", None),
    ("lead", "PATCH", "/installations/{installation_id}", {"factor": "2", "reason": "r"}),
    ("reviewer", "GET", "/alerts/{alert_id}", None),
    ("reviewer", "GET", "/alerts/{alert_id}/evidence", None),
    *(("reviewer", "POST", f"/alerts/{{alert_id}}/{action}", {**REVISION, **more}) for action, more in (
        ("acknowledge", {}), ("assign", {"assignee": "x"}), ("snooze", {"until": "2027-01-01T00:00:00Z"}),
        ("suppress", {"until": "2027-01-01T00:00:00Z", "comment": "c"}), ("resolve", {"cause": "meter_defect"}),
        ("field-check", {"due_at": "2027-01-01T00:00:00Z"}), ("reopen", {}), ("comment", {"comment": "c"}),
    )),
    ("lead", "POST", "/audit-samples", {"area": "B1"}),
    ("lead", "GET", "/audit-samples/{sample_id}", None),
    ("lead", "POST", "/audit-samples/{sample_id}/findings", {"point": "FOREIGN-1", "verdict": "correct"}),
    ("technician", "GET", "/field/gateways/{gateway_id}", None),
    ("technician", "GET", "/field/gateways/{gateway_id}/search", None),
    ("technician", "POST", "/field/meters/{meter_id}/read", None),
    ("technician", "GET", "/field/meters/{meter_id}/commissioning", None),
    ("technician", "PUT", "/field/meters/{meter_id}/commissioning", {"item": "seal", "passed": True}),
    ("technician", "POST", "/field/exchanges",
     {"point": "FOREIGN-1", "at": IN, "new_serial": "55", "final_energy": "2000"}),
    ("technician", "POST", "/field/readings/check", {"meter_id": "{meter_id}", "at": IN, "display": "1100"}),
    ("technician", "POST", "/field/readings", {"meter_id": "{meter_id}", "at": IN, "display": "1100"}),
    ("approver", "POST", "/field/readings/{manual_id}/approve", {}),
    ("reviewer", "POST", "/field/readings/{manual_id}/reject", {"reason": "r"}),
    ("lead", "POST", "/field/campaigns",
     {"code": "new", "name": "n", "kind": "other", "area": "B1", "start_date": "2026-02-01", "end_date": "2026-02-02"}),
    ("lead", "POST", "/field/campaigns/{campaign}/refresh", None),
    ("technician", "GET", "/field/campaigns/{campaign}/points", None),
    ("technician", "POST", "/field/campaigns/{campaign}/findings", {"point": "FOREIGN-1", "state": "ok"}),
    ("lead", "GET", "/field/campaigns/{campaign}/report", None),
    ("lead", "GET", "/reports/points/{point}/month?day=2026-02-01", None),
    ("lead", "POST", "/rules/groups", {"code": "g", "name": "g"}),
    ("approver", "POST", "/rules/groups/default/sets", {"settings": {}, "note": "n"}),
    ("approver", "POST", "/rules/sets/1/activate", None),
    ("reviewer", "POST", "/rules/trials", {"group": "default", "settings": {}}),
    ("reviewer", "GET", "/rules/trials", None),
    ("approver", "PUT", "/rules/extrapolations/{meter_id}", {"until": "2026-12-01T00:00:00Z", "reason": "r"}),
    ("approver", "DELETE", "/rules/extrapolations/{meter_id}", None),
    ("billing", "POST", "/billing/periods", {"code": "p", "start_date": "2026-01-01", "end_date": "2026-02-01"}),
    ("billing", "POST", "/billing/periods/2026-02/freeze", {}),
    ("billing", "POST", "/billing/periods/2026-02/recalculate", None),
    ("billing", "GET", "/billing/quantities/{quantity_id}", None),
    ("approver", "POST", "/billing/quantities/{quantity_id}/release", {"reason": "r"}),
    ("billing", "GET", "/billing/quantities/{quantity_id}/explanation", None),
    ("billing", "GET", "/billing/quantities/{quantity_id}/green-button", None),
    ("billing", "GET", "/billing/explanation?period=2026-02&point={point}", None),
    ("billing", "GET", "/billing/as-known?period=2026-02&point={point}&on=2026-03-01T00:00:00Z", None),
    ("billing", "GET", "/billing/webhooks", None),
    ("billing", "POST", "/billing/webhooks", {"url": "https://example.org/", "events": ["billing.frozen"]}),
    ("billing", "DELETE", "/billing/webhooks/1", None),
    ("admin", "POST", "/areas", {"code": "C1"}),
    ("admin", "POST", "/people", {"name": "everywhere", "role": "admin"}),
    ("admin", "POST", "/people", {"name": "there", "role": "lead", "areas": ["B1"]}),
    ("admin", "PATCH", "/people/stranger", {"password": "a long enough one"}),
    ("admin", "POST", "/keys", {"name": "everywhere", "role": "admin"}),
    ("admin", "POST", "/keys", {"name": "there", "role": "lead", "areas": ["A1", "B1"]}),
    ("admin", "DELETE", "/keys/{api_key_id}", None),
    ("admin", "POST", "/notifications", {"role": "lead", "url": "json://127.0.0.1:1/"}),
    ("admin", "POST", "/notifications", {"role": "lead", "area": "B1", "url": "json://127.0.0.1:1/"}),
    ("admin", "POST", "/notifications/{rule_id}/test", None),
    ("admin", "POST", "/notifications/{everywhere}/test", None),
    ("admin", "DELETE", "/notifications/{rule_id}", None),
    ("admin", "DELETE", "/notifications/{everywhere}", None),
)  # fmt: skip


async def test_what_lies_elsewhere_is_neither_shown_nor_changed(service, elsewhere, limited):
    for role, method, path, body in REACHES:
        given = body and {
            name: elsewhere["meter_id"] if value == "{meter_id}" else value for name, value in body.items()
        }
        answer = await limited(role).request(method, "/api/v1" + path.format(**elsewhere), json=given)
        assert answer.status_code in (403, 404), (role, method, path, answer.status_code, answer.text)
        assert answer.json()["code"] in ("area.limited", "not_found"), (path, answer.text)
    # The same by who sees everything shows that each would have been carried out.
    whole = service.caller("admin")
    assert (await whole.get(f"/api/v1/alerts/{elsewhere['alert_id']}")).json()["state"] == "open"
    assert (await whole.get("/api/v1/points/FOREIGN-1")).json()["states"][-1]["state"] == "active"
    assert len((await whole.get("/api/v1/notifications")).json()) == 2
    several = {"alert_ids": [elsewhere["alert_id"]], "action": "acknowledge"}
    (told,) = (await limited("reviewer").post("/api/v1/alerts/bulk", json=several)).json()["results"]
    assert told["code"] == "not_found"


LISTS = (
    ("technician", "/points"), ("technician", "/meters"), ("technician", "/gateways"), ("technician", "/areas"),
    ("technician", "/readings?serial=77777777"), ("technician", "/field/board"), ("technician", "/field/readings"),
    ("technician", "/field/routes/B1"), ("technician", "/field/campaigns"), ("technician", "/rules/extrapolations"),
    ("reviewer", "/alerts"), ("reviewer", "/alerts?point=FOREIGN-1"), ("reviewer", "/alerts/counts"),
    ("reviewer", "/incidents"), ("lead", "/audit-samples"), ("lead", "/field/operators?from=2026-01-01T00:00:00Z"),
    ("lead", "/reports/month?day=2026-02-01"), ("lead", "/people"), ("lead", "/audit"),
    ("billing", "/billing/quantities?period=2026-02"), ("billing", "/billing/changes"),
    ("billing", "/billing/quantities?period=2026-02&format=csv"), ("billing", "/billing/mscons?period=2026-02"),
    ("admin", "/keys"), ("admin", "/notifications"), ("admin", "/notifications/messages"),
)  # fmt: skip
FOREIGN = re.compile(r"FOREIGN|Foreign|foreign|77777777|stranger|\bB1\b|critical", re.ASCII)


async def test_lists_hold_nothing_of_what_lies_elsewhere(limited):
    for role, path in LISTS:
        answer = await limited(role).get("/api/v1" + path)
        assert answer.status_code in (200, 404), (role, path, answer.text)
        if answer.status_code == 200:
            assert FOREIGN.findall(answer.text) == [], (role, path)


async def test_an_administrator_of_an_area_lets_people_into_that_area(service, limited):
    admin = limited("admin")
    for path, body in (
        ("/people", {"name": "neighbour", "role": "lead", "areas": ["A1"], "password": "a long enough one"}),
        ("/keys", {"name": "own", "role": "lead", "areas": ["A1"]}),
        ("/notifications", {"role": "lead", "area": "A1", "url": "json://127.0.0.1:1/"}),
    ):
        made = await admin.post(f"/api/v1{path}", json=body)
        assert made.status_code == 201, made.text
    assert (await admin.patch("/api/v1/people/neighbour", json={"areas": []})).status_code == 403
    assert [row["name"] for row in (await admin.get("/api/v1/people")).json()] == ["neighbour"]
    (rule,) = (await admin.get("/api/v1/notifications")).json()
    assert (await admin.delete(f"/api/v1/notifications/{rule['rule_id']}")).status_code == 204
