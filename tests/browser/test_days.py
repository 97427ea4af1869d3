"""Each audience's day in a real browser: a reviewer's queue, a technician's exchange, a lead's audit and report."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
WORDS = {
    "en": {"acknowledged": "acknowledged", "exchange": "Exchange", "draw": "Draw this week's sample", "right": "Right"},
    "zh": {"acknowledged": "已受理", "exchange": "换表", "draw": "抽取本周样本", "right": "正确"},
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_reviewer_acknowledges_several_alerts_by_keyboard(
    open_page: Callable[..., Page], service: Any, language: str
) -> None:
    page = open_page("reviewer", language=language)
    page.goto(f"{service.base}/alerts?state=open")
    rows = page.locator(".hb-queue tbody tr")
    expect(rows.nth(1)).to_be_visible()
    chosen = [row.locator("a").get_attribute("href") for row in (rows.nth(0), rows.nth(1))]
    page.keyboard.press("x")
    expect(rows.nth(0).locator(".q-checkbox")).to_have_attribute("aria-checked", "true")
    page.keyboard.press("j")
    expect(rows.nth(1)).to_have_class(re.compile("hb-current"))
    page.keyboard.press("x")
    expect(rows.nth(1).locator(".q-checkbox")).to_have_attribute("aria-checked", "true")
    page.keyboard.press("a")
    for address in chosen:
        expect(page.locator(f".hb-queue a[href='{address}']")).to_have_count(0)
    page.goto(service.base + str(chosen[0]))
    expect(page.get_by_text(WORDS[language]["acknowledged"]).first).to_be_visible()


@pytest.mark.parametrize(
    ("language", "point", "serial"), [("en", "DL2-202", "99000001"), ("zh", "DL2-203", "99000002")]
)
def test_a_technician_exchanges_a_meter_though_the_connection_is_lost(
    open_page: Callable[..., Page], service: Any, language: str, point: str, serial: str
) -> None:
    with service.client("technician") as client:
        meter = client.get(f"/points/{point}").json()["installations"][-1]["meter_id"]
        values = client.get(f"/meters/{meter}/readings", params={"limit": 1000}).json()["items"]
    newest = max((row for row in values if row["register"] == "energy"), key=lambda row: row["ts"])
    page = open_page("technician", "phone", language)
    sent: list[str] = []
    page.on("requestfinished", lambda request: sent.append(request.url) if "exchanges" in request.url else None)
    page.goto(f"{service.base}/field/exchange?point={point}")
    page.fill("[name=final_energy]", str(int(float(newest["display"])) + 200))
    page.fill("[name=new_serial]", serial)
    page.context.set_offline(True)
    page.get_by_role("button", name=WORDS[language]["exchange"], exact=True).click()
    expect(page.locator("[data-outbox-state=exchange]")).to_have_class(re.compile("hb-warn"))
    assert page.evaluate("JSON.parse(localStorage.getItem('heatbook-outbox')).length") == 1
    page.context.set_offline(False)
    page.wait_for_function("JSON.parse(localStorage.getItem('heatbook-outbox')).length === 0")
    assert len(sent) == 1
    with service.client("technician") as client:
        serials = [row["serial"] for row in client.get(f"/points/{point}").json()["installations"]]
    assert serials.count(serial) == 1


@pytest.mark.parametrize(("language", "area"), [("en", 0), ("zh", 1)])
def test_a_lead_draws_the_audit_and_takes_the_months_report(
    open_page: Callable[..., Page], service: Any, language: str, area: int
) -> None:
    words = WORDS[language]
    page = open_page("lead", language=language)
    page.goto(f"{service.base}/reports")
    with page.expect_download() as download:
        page.get_by_role("link", name="XLSX").first.click()
    assert download.value.suggested_filename.startswith("report-month-")
    assert download.value.path().read_bytes()[:2] == b"PK"
    page.get_by_role("button", name=words["draw"]).nth(area).click()
    page.wait_for_url("**/reports/samples/*")
    page.get_by_role("button", name=words["right"], exact=True).first.click()
    expect(page.locator(".hb-pill.good").first).to_be_visible()


def test_a_kept_view_leads_back_to_its_filters(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("reviewer")
    page.goto(f"{service.base}/alerts?kind=comms_loss")
    page.get_by_role("button", name="Keep this view…").click()
    page.get_by_label("Name").fill("<b>silent</b> meters")
    page.get_by_role("button", name="Save").click()
    kept = page.get_by_role("link", name="<b>silent</b> meters")
    expect(kept).to_have_attribute("href", "/alerts?kind=comms_loss")
    page.get_by_role("button", name="Drop the view <b>silent</b> meters").click()
    expect(kept).to_have_count(0)


def test_an_administrator_adds_a_person_and_the_log_tells_it(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("admin")
    page.goto(f"{service.base}/people")
    page.get_by_role("button", name="Add a person…").click()
    page.get_by_label("Name").fill("newcomer")
    page.get_by_label("Password").fill("a long enough password")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="newcomer")).to_be_visible()
    expect(page.get_by_text("person/newcomer").first).to_be_visible()
