"""An administrator's notification rules in a real browser: made, tested over a socket, refused aloud, and ended."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
WORDS = {
    "en": {
        "add": "Add a rule…", "address": "Address", "from": "Quiet from", "until": "Quiet until", "save": "Save",
        "both": "Quiet hours have a beginning and an end.", "unknown": "This is no address that apprise knows",
        "test": "Send a test", "took": "The service took the test message", "not": "The test message was refused",
        "taken": "taken", "refused": "refused", "quiet": "silent 22:00–06:30", "end": "End…", "sure": "End",
        "nobody": "Nobody is told of alerts yet.",
    },
    "zh": {
        "add": "添加规则…", "address": "地址", "from": "免打扰开始", "until": "免打扰结束", "save": "保存",
        "both": "免打扰时段须有开始和结束。", "unknown": "无法识别该通知地址",
        "test": "发送测试", "took": "对方服务已接收测试消息", "not": "测试消息被拒",
        "taken": "已接收", "refused": "被拒", "quiet": "22:00–06:30 免打扰", "end": "停用…", "sure": "停用",
        "nobody": "目前没有人会收到告警通知。",
    },
}  # fmt: skip


class _Receiver(HTTPServer):
    """Keeps what it is sent and answers each message with the next status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.got: list[bytes] = []
        self.answers: list[int] = []


class _Answer(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.answers.pop(0))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests look at what arrived."""


@pytest.fixture
def receiver() -> Iterator[_Receiver]:
    """A chat service on a socket of this machine."""
    with _Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("size", "language"), [("desktop", "en"), ("phone", "zh")])
def test_a_rule_is_made_tested_and_ended_and_its_address_stays_hidden(
    open_page: Callable[..., Page], service: Any, receiver: _Receiver, size: str, language: str
) -> None:
    words, page = WORDS[language], open_page("admin", size, language)
    page.goto(f"{service.base}/notifications")
    expect(page.get_by_text(words["nobody"])).to_be_visible()
    page.get_by_role("button", name=words["add"]).click()
    page.get_by_label(words["address"]).fill("nonsense")
    page.get_by_label(words["from"]).fill("22:00")
    page.get_by_role("button", name=words["save"]).click()
    expect(page.get_by_text(words["both"])).to_be_visible()
    page.get_by_label(words["until"]).fill("06:30")
    page.get_by_role("button", name=words["save"]).click()
    expect(page.get_by_text(words["unknown"])).to_be_visible()
    page.get_by_label(words["address"]).fill(f"json://robot:hunter2@127.0.0.1:{receiver.server_port}/hook")
    page.get_by_role("button", name=words["save"]).click()
    expect(page.locator(".hb-row code")).to_have_text("json://••••••")
    expect(page.get_by_text(words["quiet"])).to_be_visible()
    receiver.answers += [204, 500]
    for said, outcome in ((words["took"], words["taken"]), (words["not"], words["refused"])):
        page.get_by_role("button", name=words["test"]).click()
        expect(page.get_by_text(said)).to_be_visible()
        expect(page.locator(".hb-grid tbody tr").first.get_by_text(outcome, exact=True)).to_be_visible()
    assert len(receiver.got) == 2
    assert "hunter2" not in page.content()
    page.get_by_role("button", name=words["end"]).click()
    page.get_by_role("button", name=words["sure"], exact=True).click()
    expect(page.get_by_text(words["nobody"])).to_be_visible()


def test_an_area_lead_is_told_that_the_page_is_the_administrators(open_page: Callable[..., Page], service: Any) -> None:
    page = open_page("lead")
    page.goto(f"{service.base}/notifications")
    expect(page.get_by_text("This page is not open to you")).to_be_visible()
    expect(page.get_by_role("link", name="Notifications")).to_have_count(0)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_queue_shows_what_was_escalated_and_nothing_else(
    open_page: Callable[..., Page], service: Any, language: str
) -> None:
    page = open_page("lead", language=language)
    page.goto(f"{service.base}/alerts")
    page.get_by_label({"en": "Escalation", "zh": "超时转交"}[language]).click()
    page.get_by_role("option", name={"en": "escalated", "zh": "已转交组长"}[language], exact=True).click()
    page.wait_for_url("**/alerts?escalated=true")
    expect(page.locator(".hb-queue tbody tr, .hb-empty").first).to_be_visible()
    with service.client("reviewer") as client:
        for row in page.locator(".hb-queue tbody a[href^='/alerts/']").all():
            assert client.get(str(row.get_attribute("href"))).json()["escalated_at"] is not None
