"""`/docs` in a browser that finds no host but this machine."""

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.slow


def test_addresses_are_shown_and_can_be_tried(page: Page, url: str) -> None:
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.goto(url + "/docs")
    live = page.locator("#operations-about_the_service-live_v2_health_live_get")
    live.click()
    live.get_by_role("button", name="Try it out").click()
    live.get_by_role("button", name="Execute").click()
    expect(live.locator(".live-responses-table .response .response-col_status").first).to_contain_text("200")
    assert refused == []
