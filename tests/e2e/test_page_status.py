"""The owner's page: what the service does, as it happens."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.server import running_server
from tests.support.uploads import depth_frames, npz, rgb_frames

pytestmark = pytest.mark.slow


def test_the_status_follows_the_service(page: Page, tmp_path: Path) -> None:
    make_bundle(tmp_path / "models" / "both" / "1")
    make_bundle(tmp_path / "models" / "colour" / "2", "rgb")
    with running_server(models=tmp_path / "models") as server:
        page.goto(server.url + "/admin/status")
        expect(page.locator("#pulse")).to_have_text("Ready")
        both, colour = page.get_by_role("row", name="both 1"), page.get_by_role("row", name="colour 2")
        expect(both).to_contain_text("colour and depth")
        expect(both).to_contain_text("onnxruntime cpu fp32")
        expect(both.get_by_role("cell").nth(3)).to_have_text("0")
        expect(page.locator("[data-part=refusals]")).to_have_text("none so far")

        files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
        assert httpx.post(server.url + "/predict?model=both", files=files, timeout=60).status_code == 200
        assert httpx.post(server.url + "/predict?model=none", files=files, timeout=60).status_code == 404
        assert httpx.post(server.url + "/v2/repository/models/colour/unload").status_code == 200
        expect(both.get_by_role("cell").nth(3)).to_have_text("1")
        expect(both.get_by_role("cell").nth(5)).to_contain_text("ms")
        expect(colour).to_contain_text("unavailable")
        expect(page.get_by_role("row", name="unknown_model")).to_contain_text("1")
        page.get_by_text("Settings", exact=True).click()
        expect(page.locator(".settings")).to_contain_text("max_requests")

        page.context.set_offline(True)
        expect(page.locator("#pulse")).to_have_text("The service cannot be reached")
        page.context.set_offline(False)
        expect(page.locator("#pulse")).to_have_text("Ready")
        page.goto("about:blank")


def test_on_a_phone_a_model_is_a_card(page: Page, url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(url + "/admin/status")
    expect(page.locator("#pulse")).to_have_text("Ready")
    for cell in page.locator("[data-part=models] td").all():
        box = cell.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
    titles = page.locator("[data-part=models] td").evaluate_all("cells => cells.map(cell => cell.dataset.title)")
    assert titles == ["State", "Streams", "Runs on", "Clips", "Batches", "Mean run", "Mean wait"]
    page.goto("about:blank")


@pytest.mark.parametrize("width", [320, 768])
def test_nothing_of_the_status_is_wider_than_the_window(page: Page, url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(url + "/admin/status")
    expect(page.locator("#pulse")).to_have_text("Ready")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
