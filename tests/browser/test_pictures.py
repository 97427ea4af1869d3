"""The pictures of README and docs/console.md, taken from the running demo.

They are written over those of the repository only where HEATBOOK_PICTURES names the folder: a test run leaves the tree
as it was.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
# name: (role, size, language, address, what is there once the page is drawn)
PICTURES = {
    "overview": ("lead", "desktop", "en", "/", ".hb-chart canvas"),
    "queue": ("reviewer", "desktop", "en", "/alerts?state=all", ".hb-queue tbody tr"),
    "evidence": ("reviewer", "desktop", "en", "/alerts/{use_while_inactive}", ".hb-chart.evidence canvas"),
    "evidence.zh": ("reviewer", "desktop", "zh", "/alerts/{zero_use}", ".hb-chart.evidence canvas"),
    "map": ("lead", "desktop", "en", "/map?area=daoli", ".hb-map[data-ready] .leaflet-tooltip"),
    "lines.zh": ("technician", "desktop", "zh", "/lines", ".hb-grid"),
    "exchange.zh": ("technician", "phone", "zh", "/field/exchange?point=DL1-204", "[data-form=exchange]"),
    "queue.phone": ("reviewer", "phone", "en", "/alerts?state=all", ".hb-item"),
    "report.zh": ("lead", "desktop", "zh", "/reports/month", ".hb-grid"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_shows_what_the_page_promises(
    open_page: Callable[..., Page], service: Any, tmp_path: Path, name: str
) -> None:
    role, size, language, address, drawn = PICTURES[name]
    with service.client("reviewer") as client:
        found = client.get("/alerts", params={"limit": 100}).json()["items"]
    kinds = {row["kind"]: row["alert_id"] for row in found}
    page = open_page(role, size, language)
    if name.startswith("evidence"):
        page.set_viewport_size({"width": 1360, "height": 1160})  # the whole picture of an alert
    page.goto(service.base + address.format_map(kinds))
    expect(page.locator(drawn).first).to_be_visible()
    page.evaluate(
        "document.fonts.ready.then(() => new Promise((next) => requestAnimationFrame(() => setTimeout(next))))"
    )
    folder = os.environ.get("HEATBOOK_PICTURES")
    page.screenshot(path=(Path(folder) if folder else tmp_path) / f"{name}.png", full_page=name.startswith("exchange"))
