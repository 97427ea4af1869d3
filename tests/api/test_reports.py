"""Reports: the same figures as data, XLSX and PDF, in both languages, also where there is nothing yet."""

import io
from datetime import UTC, date, datetime, timedelta

import pytest
from openpyxl import load_workbook

from api.reports import documents
from api.reports.service import span_of

START = datetime(2026, 1, 31, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "day", "start", "end"),
    [
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)),
        ("quarter", date(2026, 2, 28), date(2026, 1, 1), date(2026, 4, 1)),
        ("quarter", date(2026, 11, 1), date(2026, 10, 1), date(2027, 1, 1)),
    ],
)
def test_a_day_names_its_month_and_quarter(kind, day, start, end):
    assert span_of(kind, day) == (start, end)


async def test_the_monthly_report_counts_what_was_read_found_and_exchanged(service, new_place, push_hours, assessed):
    place = await new_place(address="幸福里 3-602")
    await push_hours(place, START, 14 * 24 + 1)
    await assessed()
    lead = service.caller("lead")
    made = (await lead.get("/api/v1/reports/month", params={"day": "2026-02-10"})).json()
    (area,) = made["areas"]
    assert (area["area"], area["points"], area["days_read"]) == ("A1", 1, 14)
    assert made["complete"] is True
    for language, name in (("zh", "抄表区域"), ("en", "Reading areas")):
        params = {"day": "2026-02-10", "format": "xlsx", "language": language}
        book = load_workbook(io.BytesIO((await lead.get("/api/v1/reports/month", params=params)).content))
        assert book.sheetnames[0] == name
        assert book[name]["A2"].value == "A1"
    english = await lead.get("/api/v1/reports/quarter", params={"day": "2026-02-10", "format": "pdf", "language": "en"})
    assert english.content.startswith(b"%PDF-")
    chinese = await lead.get("/api/v1/reports/month", params={"day": "2026-02-10", "format": "pdf"})
    # A machine without a Chinese font says so; every other one prints.
    assert chinese.content.startswith(b"%PDF-") or chinese.json()["code"] == "pdf.font"


async def test_an_exchange_is_printed_in_the_time_of_its_area(service, new_place, push_hours):
    place = await new_place()
    await push_hours(place, START, 101)
    at = START + timedelta(hours=100, minutes=30)
    body = {
        "point": place.code, "at": at.isoformat(), "new_serial": "87654321", "new_manufacturer": "KAM",
        "final_energy": "1124.00", "initial_energy": "0", "reason": "calibration",
    }  # fmt: skip
    done = await service.caller("technician").post("/api/v1/field/exchanges", json=body)
    assert done.status_code == 201, done.text
    lead, params = service.caller("lead"), {"day": "2026-02-10"}
    (row,) = (await lead.get("/api/v1/reports/month", params=params)).json()["exchanges"]
    assert datetime.fromisoformat(row["at"]) == at
    files = {**params, "format": "xlsx", "language": "en"}
    book = load_workbook(io.BytesIO((await lead.get("/api/v1/reports/month", params=files)).content))
    shown = [cell.value for cell in book["Meter exchanges"][2]]
    assert (shown[0].isoformat(), shown[-1]) == ("2026-02-05T04:30:00", "calibration")  # eight hours on, in Shanghai


async def test_a_customer_is_shown_the_month_day_by_day(service, new_place, push_hours, assessed):
    place = await new_place()
    await push_hours(place, START, 3 * 24 + 1)
    await assessed()
    params = {"day": "2026-02-01"}
    made = (await service.caller("technician").get(f"/api/v1/reports/points/{place.code}/month", params=params)).json()
    assert [row["day"] for row in made["days"]][:3] == ["2026-02-01", "2026-02-02", "2026-02-03"]
    assert made["energy_kwh"] == pytest.approx(72 * 1.23)


async def test_an_empty_month_is_an_empty_report(service):
    lead = service.caller("lead")
    made = (await lead.get("/api/v1/reports/month", params={"day": "2020-02-10"})).json()
    assert (made["areas"], made["anomalies"], made["exchanges"]) == ([], [], [])
    unknown = await lead.get("/api/v1/reports/month", params={"day": "2020-02-10", "area": "Z9"})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "area")


@pytest.mark.parametrize(
    ("language", "kinds", "reason", "quality"),
    [
        ("en", ["Frozen value", "Sensors swapped"], "defect", "estimated, missing"),
        ("zh", ["示数冻结", "供回水传感器接反"], "故障", "估算, 缺数"),
    ],
)
def test_files_tell_codes_in_the_words_of_the_console(language, kinds, reason, quality):
    report = {
        "anomalies": [{"kind": kind, "opened": 3} for kind in ("static", "swapped_sensors")],
        "exchanges": [{"point": "DL1-203", "reason": "defect"}, {"point": "DL1-204", "reason": None}],
        "days": [{"day": date(2026, 2, 1), "flags": ["estimated", "missing"]}, {"day": date(2026, 2, 2), "flags": []}],
    }
    book = load_workbook(io.BytesIO(documents.xlsx({"kind": "month", **report}, language)))
    anomalies, exchanges, days = (
        [row[-1 if at else 0] for row in sheet.iter_rows(min_row=2, values_only=True)]
        for at, sheet in enumerate(book.worksheets)
    )
    assert (anomalies, exchanges, days) == (kinds, [reason, None], [quality, None])
