"""Each audience's day in a real browser, in both languages: a reviewer, a technician, a lead, an administrator."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
WORDS = {
    "en": {
        "acknowledged": "acknowledged", "exchange": "Exchange", "commission": "Commission the new meter",
        "draw": "Draw this week's sample", "right": "Right", "report": "Monthly report",
    },
    "zh": {
        "acknowledged": "已受理", "exchange": "换表", "commission": "验收新表",
        "draw": "抽取本周样本", "right": "正确", "report": "抄表月报",
    },
}  # fmt: skip


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


def test_a_reviewer_decides_on_an_alert_with_its_evidence(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("reviewer")
    page.goto(f"{service.base}/alerts?kind=static,swapped_sensors,unit_error,behind,decrease&state=open")
    page.locator(".hb-queue a[href^='/alerts/']").first.click()
    expect(page.locator(".hb-chart.evidence canvas").first).to_be_visible()
    page.locator(".q-expansion-item").first.click()
    expect(page.locator(".hb-hex").first).to_be_visible()
    expect(page.get_by_role("region", name="Registers").first).to_be_visible()
    page.get_by_role("button", name="Suppress…").click()
    page.get_by_role("button", name="Suppress", exact=True).click()
    expect(page.get_by_text("A suppression needs a reason")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Resolve…").click()
    page.get_by_label("Comment").fill("impeller replaced")
    page.get_by_role("button", name="Resolve", exact=True).last.click()
    expect(page.get_by_text("impeller replaced")).to_be_visible()
    expect(page.get_by_text("After this cause the values usually need an edit")).to_be_visible()


def test_two_reviewers_decide_at_once_and_the_second_is_told(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("reviewer", language="zh")
    page.goto(f"{service.base}/alerts?state=open")
    address = str(page.locator(".hb-queue a[href^='/alerts/']").last.get_attribute("href"))
    page.goto(service.base + address)
    with service.client("reviewer") as other:
        seen = other.get(address)
        told = other.post(f"{address}/comment", json={"comment": "first"}, headers={"If-Match": seen.headers["ETag"]})
        assert told.status_code == 200
    page.get_by_role("button", name="确认受理").click()
    expect(page.get_by_text(re.compile("告警已被他人变更"))).to_be_visible()


def test_a_technician_reads_a_meter_now(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("technician", "phone")
    page.goto(f"{service.base}/lines/MB-DL1")
    page.get_by_role("button", name="Read now").first.click()
    expect(page.get_by_text("answered in")).to_be_visible(timeout=60_000)
    expect(page.locator(".hb-hex").first).to_contain_text("68")
    expect(page.get_by_role("region", name="Registers").first).to_be_visible()


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
    picture = {"name": "display.png", "mimeType": "image/png", "buffer": page.screenshot()}
    for shows in ("final_index", "initial_index", "meter_plate"):
        page.locator(f"input[data-shows={shows}]").set_input_files(picture)  # type: ignore[arg-type]
    page.context.set_offline(True)
    page.get_by_role("button", name=WORDS[language]["exchange"], exact=True).click()
    expect(page.locator("[data-outbox-state=exchange]")).to_have_class(re.compile("hb-warn"))
    kept = page.evaluate("JSON.parse(localStorage.getItem('heatbook-outbox'))")
    assert len(kept) == 1
    assert [photo["data"][:15] for photo in kept[0]["photos"]] == ["data:image/jpeg"] * 3
    page.context.set_offline(False)
    page.wait_for_function("JSON.parse(localStorage.getItem('heatbook-outbox')).length === 0")
    expect(page.get_by_role("link", name=WORDS[language]["commission"])).to_have_attribute(
        "href", f"/field/commission?serial={serial}"
    )
    assert len(sent) == 1
    with service.client("technician") as client:
        installed = client.get(f"/points/{point}").json()["installations"]
    assert [row["serial"] for row in installed].count(serial) == 1
    page.goto(f"{service.base}/points/{point}")
    pictures = page.locator(".hb-photo img")
    expect(pictures).to_have_count(3)
    pictures.last.scroll_into_view_if_needed()
    page.wait_for_function("[...document.querySelectorAll('.hb-photo img')].every((one) => one.naturalWidth > 0)")


def test_an_entry_is_checked_as_it_is_typed_and_an_edit_waits_for_a_second_person(
    open_page: Callable[..., Page], service: Any
) -> None:
    page = open_page("lead", "phone", "zh")
    page.goto(f"{service.base}/field/entry?serial=60700030")
    page.fill("[name=display]", "1")
    page.locator("[name=display]").blur()
    state = page.locator("[data-outbox-state=entry]")
    expect(state).to_contain_text("低于上次读数")
    page.select_option("[name=kind]", "edit")
    last = re.search(r"读数 (\d+)", state.inner_text())
    assert last is not None
    page.fill("[name=display]", last.group(1))
    page.fill("[name=reason]", "<b>照片核对</b>")
    page.locator("[name=reason]").blur()
    confirm = page.locator("[name=confirmed]")
    page.get_by_role("button", name="保存").click()
    expect(state).not_to_have_text("")
    if confirm.is_visible():
        confirm.check()
        page.get_by_role("button", name="保存").click()
    expect(state).to_have_class("hb-good")
    page.goto(f"{service.base}/approvals")
    expect(page.get_by_text("由他人复核").first).to_be_visible()
    other = open_page("approver")
    other.goto(f"{service.base}/approvals")
    expect(other.get_by_text("<b>照片核对</b>")).to_be_visible()
    other.get_by_role("button", name="Approve").first.click()
    expect(other.get_by_text("<b>照片核对</b>")).to_have_count(0)


@pytest.mark.parametrize(("language", "area"), [("en", 0), ("zh", 1)])
def test_a_lead_draws_the_audit_and_takes_the_months_report(
    open_page: Callable[..., Page], service: Any, language: str, area: int
) -> None:
    words = WORDS[language]
    page = open_page("lead", language=language)
    page.goto(f"{service.base}/reports")
    page.get_by_role("link", name=words["report"]).first.click()
    expect(page.locator("h1")).to_contain_text(words["report"])
    with page.expect_download() as download:
        page.get_by_role("link", name="XLSX").first.click()
    assert download.value.suggested_filename.startswith("report-month-")
    assert download.value.path().read_bytes()[:2] == b"PK"
    page.goto(f"{service.base}/reports")
    page.get_by_role("button", name=words["draw"]).nth(area).click()
    page.wait_for_url("**/reports/samples/*")
    page.get_by_role("button", name=words["right"], exact=True).first.click()
    expect(page.locator(".hb-pill.good").first).to_be_visible()


def test_a_campaign_is_started_walked_and_reported(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("lead", "phone")
    page.goto(f"{service.base}/field")
    page.get_by_role("button", name="Start a campaign…").click()
    page.get_by_label("Code").fill("before-winter")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url("**/field/campaigns/before-winter")
    first = page.locator(".hb-row").first
    point = first.locator("a").inner_text()
    first.get_by_role("button", name="Fault…").click()
    page.get_by_label("Remark").fill("seal broken")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".hb-row a", has_text=re.compile(f"^{point}$"))).to_have_count(0)
    page.goto(f"{service.base}/field/campaigns/before-winter?state=fault")
    expect(page.get_by_text("seal broken")).to_be_visible()


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
    with service.client("admin") as client:
        of_an_area = {"name": "of an area", "role": "reviewer", "areas": ["daoli"]}
        assert client.post("/people", json=of_an_area).status_code == 201
    page = open_page("admin")
    page.goto(f"{service.base}/people")
    expect(page.get_by_text("道里片区").first).to_be_visible()
    page.get_by_role("button", name="Add a person…").click()
    page.get_by_label("Name").fill("newcomer")
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("A password has at least 10 characters")).to_be_visible()
    page.get_by_label("Password").fill("a long enough password")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="newcomer")).to_be_visible()
    expect(page.get_by_text("person/newcomer").first).to_be_visible()
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_text("The chain is whole")).to_be_visible()
