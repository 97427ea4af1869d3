"""An approved edit goes through the engine into the bill; "as known on" undoes it; nothing else moves a bill."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from compute.quality import Quality, espi_code

START = datetime(2026, 1, 31, 16, tzinfo=UTC)
HOURS = 28 * 24
PERIOD = {"code": "2026-02", "start_date": "2026-02-01", "end_date": "2026-03-01"}


async def _bill(service):
    page = await service.caller("billing").get("/api/v1/billing/quantities", params={"period": "2026-02"})
    (row,) = page.json()["items"]
    return row


async def test_an_edit_counts_from_its_approval_on_and_what_was_known_before_stays_known(
    service, new_place, push_hours, assessed
):
    place = await new_place(heated_area_m2=Decimal("89.50"))
    await push_hours(place, START - timedelta(hours=24), HOURS + 48, offset=timedelta(minutes=7))
    await assessed(datetime(2026, 3, 10, tzinfo=UTC))
    await service.caller("billing").post("/api/v1/billing/periods", json=PERIOD)
    before = await _bill(service)

    # The reading after the cut-off showed 0.60 kWh more than was sent: three hundred and eighty joules a second.
    at = START + timedelta(hours=HOURS, minutes=7)
    shown = Decimal("1000.00") + (HOURS + 24) * Decimal("1.23") + Decimal("0.60")
    body = {"meter_id": place.meter_id, "at": at.isoformat(), "display": f"{shown:.2f}", "kind": "edit",
            "register": "energy", "reason": "photo of the display", "confirmed": True}  # fmt: skip
    made = (await service.caller("technician").post("/api/v1/field/readings", json=body)).json()
    await assessed(datetime(2026, 3, 11, tzinfo=UTC), full=True)
    assert (await _bill(service))["energy_j"] == before["energy_j"]  # one person alone changes no bill

    path = f"/api/v1/field/readings/{made['manual_id']}/approve"
    assert (await service.caller("approver").post(path, json={})).json()["state"] == "approved"
    await assessed(datetime(2026, 3, 12, tzinfo=UTC))
    after = await _bill(service)
    assert after["determinants"]["conserved"] is True
    assert 0 < after["energy_j"] - before["energy_j"] < 0.6 * 3_600_000
    assert after["share_edited"] > 0
    query = {"period": "2026-02", "point": place.code, "on": datetime(2026, 3, 11, 12, tzinfo=UTC).isoformat()}
    known = (await service.caller("billing").get("/api/v1/billing/as-known", params=query)).json()
    assert [row["energy_j"] for row in known["items"]] == [before["energy_j"]]

    async with service.pool.connection() as connection:
        rows = await (
            await connection.execute(
                "SELECT flags, method FROM consumption WHERE known_to = 'infinity' AND resolution = 1"
                " AND flags & %s <> 0 ORDER BY start_at",
                (int(Quality.EDITED),),
            )
        ).fetchall()
    assert len(rows) == 2
    assert {espi_code(flags) for flags, _ in rows} == {7}


async def test_a_run_without_new_data_changes_no_bill(service, new_place, push_hours, assessed):
    place = await new_place(heated_area_m2=80)
    await push_hours(place, START - timedelta(hours=24), 24 * 10, offset=timedelta(minutes=7))
    later = START + timedelta(days=12)
    await push_hours(place, later, 24 * 14, index=Decimal("1500.00"), offset=timedelta(minutes=7))
    await assessed(datetime(2026, 3, 10, tzinfo=UTC))
    await service.caller("billing").post("/api/v1/billing/periods", json=PERIOD)
    await service.caller("billing").post("/api/v1/billing/periods/2026-02/freeze", json={})
    frozen = await _bill(service)
    for day in (11, 12):
        assert (await assessed(datetime(2026, 3, day, tzinfo=UTC), full=True)).changed == 0
    again = await _bill(service)
    assert (again["quantity_id"], again["energy_j"]) == (frozen["quantity_id"], frozen["energy_j"])
    async with service.pool.connection() as connection:
        assert await (await connection.execute("SELECT count(*) FROM billing_quantity")).fetchone() == (1,)
