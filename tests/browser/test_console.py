"""The console in a real browser: pages open, fit the screen, speak both languages, and nothing from outside runs."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
PAGES = (
    "/",
    "/alerts",
    "/alerts/1",
    "/approvals",
    "/points",
    "/points/DL1-203",
    "/points/DL1-203?days=365&hourly=true",
    "/map",
    "/lines",
    "/lines/MB-DL1",
    "/intake",
    "/billing",
    "/billing/periods/demo",
    "/billing/quantities/1",
    "/reports",
    "/reports/month",
    "/rules",
    "/people",
    "/notifications",
    "/alerts?escalated=true",
    "/field",
    "/field/entry?serial=60700029",
    "/field/exchange?point=DL1-203",
    "/field/commission?serial=60700029",
    "/field/routes/daoli",
)
# English that a page in 中文 may show: names of things, units, codes. Two plain words in a row are a forgotten text.
ENGLISH = re.compile(r"\b[a-z]{3,} [a-z]{2,}\b")


def _problems(page: Page) -> list[str]:
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    return found


def _barriers(page: Page) -> list[str]:
    """What axe-core calls a serious or critical barrier, with the first element."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]


# Pairwise: each language and each size is walked once with axe; whether a page fits is asked at both sizes.
@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_every_page_opens_fits_the_screen_and_is_accessible(
    open_page: Callable[..., Page], service: Any, size: str, language: str
) -> None:
    page = open_page("admin", size, language)
    problems = _problems(page)
    sizes = {"phone": {"width": 375, "height": 812}, "desktop": {"width": 1360, "height": 900}}
    for path in PAGES:
        page.goto(service.base + path)
        expect(page.locator("h1").first).to_be_visible()
        expect(page.locator("html")).to_have_attribute("lang", "zh-CN" if language == "zh" else "en")
        assert _barriers(page) == [], path
        if language == "zh" and path != "/people":  # names of keys are whatever somebody called them
            assert ENGLISH.findall(page.locator("#main").inner_text()) == [], path
        for other in sorted(sizes, key=lambda one: one == size):  # its own size last: the next page opens in it
            page.set_viewport_size(sizes[other])  # type: ignore[arg-type]
            # Waited for: what a page draws late, and a page that loads itself again, count as they end up.
            page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")
    assert not problems, problems


def test_nobody_sees_a_page_without_logging_in(browser: Any, service: Any) -> None:
    page = browser.new_page(locale="zh-CN")
    page.goto(f"{service.base}/alerts")
    assert "/login?next=/alerts" in page.url
    page.fill("input[name=name]", "rui")
    page.fill("input[name=password]", "wrong password")
    page.click("button[type=submit]")
    expect(page.get_by_role("alert")).to_have_text("用户名或密码不正确。")
    person = next(one for one in service.logins["users"] if one["role"] == "reviewer")
    page.fill("input[name=password]", person["password"])
    page.click("button[type=submit]")
    page.wait_for_url(f"{service.base}/alerts")
    expect(page.locator("h1")).to_have_text("Alerts to review")  # the person's own language
    page.get_by_role("button", name="中文").click()
    expect(page.locator("h1")).to_have_text("待复核告警")
    page.close()


def test_a_technician_has_no_billing(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("technician", "phone", "zh")
    page.goto(f"{service.base}/billing")
    expect(page.get_by_text("您不能打开此页：角色“计量员”无权进行此操作。")).to_be_visible()


def test_an_address_that_is_none_leads_back(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("reviewer", "phone", "zh")
    page.goto(f"{service.base}/nonsense")
    expect(page.locator("h1")).to_have_text("没有此页")
    page.goto(f"{service.base}/alerts/99999999")
    expect(page.get_by_text("没有这条告警")).to_be_visible()


def test_the_map_draws_buildings_without_asking_anybody_else(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("technician", "phone")
    foreign: list[str] = []
    page.on("request", lambda one: foreign.append(one.url) if not one.url.startswith(service.base) else None)
    page.goto(f"{service.base}/map?area=daoli&mode=comms")
    expect(page.locator(".hb-map[data-ready='7']")).to_be_visible()
    expect(page.locator(".hb-map .leaflet-tooltip").first).to_contain_text("DL")
    assert [url for url in foreign if not url.startswith(("data:", "blob:", "ws:"))] == []


def test_a_zoom_brings_the_hours_of_the_visible_days(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("reviewer")
    page.goto(f"{service.base}/points/DL1-203?days=30")
    chart = page.locator(".hb-chart.evidence")
    expect(chart.locator("canvas").first).to_be_visible()
    unit = "element => getElement(+element.id.slice(1)).chart.getOption().yAxis[0].name"
    assert chart.evaluate(unit) == "kWh per day"
    chart.evaluate(
        "element => getElement(+element.id.slice(1)).chart.dispatchAction({type: 'dataZoom', start: 60, end: 75})"
    )
    page.wait_for_function(f"(({unit}))(document.querySelector('.hb-chart.evidence')) === 'kWh per hour'")


def test_text_from_outside_is_shown_and_never_run(open_page: Callable[..., Page], service: Any) -> None:
    attack = "<img src=x onerror=document.title='owned'>"
    with service.client("technician") as client:
        client.post("/deliveries", json={"hex": "00", "protocol": "mbus", "topic": attack})
    page = open_page("technician")
    for path in ("/intake", f"/points?text={attack}", f"/points/{attack}", f"/map?area={attack}"):
        page.goto(service.base + path)
        expect(page.locator("h1, .hb-empty").first).to_be_visible()
        assert "owned" not in page.title()
