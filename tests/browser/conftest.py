"""A headless Chromium of the system, logged in to the running demo."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

SIZES = {"desktop": (1360, 900), "phone": (375, 812)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, if the system has one. It ends with its module: its event loop would be in the way of asyncio tests."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this system: the console's browser tests need one")
    options = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    expect.set_options(timeout=20_000)  # a loaded machine takes longer than the five seconds of the library
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=options)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, service: Any) -> Iterator[Callable[..., Page]]:
    """`open_page(role, size="desktop", language="en")`: an empty page, logged in as the demo's person of that role."""
    contexts = []

    def opened(role: str, size: str = "desktop", language: str = "en") -> Page:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale="zh-CN" if language == "zh" else "en-GB"
        )
        context.add_cookies([{"name": "heatbook_language", "value": language, "url": service.base}])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        person = next(one for one in service.logins["users"] if one["role"] == role)
        # The log-in page has its own test; the cookie it would set is asked for directly.
        told = {key: person[key] for key in ("name", "password")}
        assert context.request.post(f"{service.base}/api/v1/session", data=told).ok
        return page

    yield opened
    for context in contexts:
        context.close()
