"""The page of live streams: a real browser sends what its camera sees, or a video, and shows what the service says."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmarks.support.server import RunningServer
from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle, write_manifest
from rgbd.types import Modality
from serve.keys import add_key
from tests.support.requests import metrics_of
from tests.support.server import running_server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


def lasting(folder: Path, clip_s: float | None, modality: Modality = "rgb") -> Path:
    bundle = read_bundle(make_bundle(folder, modality, familiar=(4.0, 14.0) if clip_s else None))
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"clip_s": clip_s}))
    return bundle.folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(lasting(tmp_path_factory.mktemp("model"), 0.8)) as running:
        yield running


def write_webm(path: Path, colors: list[tuple[int, int, int]]) -> Path:
    """Write a video that browsers play, of 30 frames a second, one for each colour."""
    with av.open(str(path), "w") as container:
        track = container.add_stream("libvpx", rate=30)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for color in colors:
            container.mux(track.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), color, np.uint8))))
        container.mux(track.encode())
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey, then red, then grey."""
    colors = [(90, 90, 90)] * 30 + [(220, 0, 0)] * 75 + [(90, 90, 90)] * 45
    return write_webm(tmp_path_factory.mktemp("videos") / "red.webm", colors)


def open_live(page: Page, url: str) -> None:
    page.goto(f"{url}/live")
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")


def shoot(page: Page, name: str) -> None:
    """Take pictures, where somebody wants to look at them: the folder stands in the environment."""
    if folder := os.environ.get("LIVE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 390, "height": 844})
        page.screenshot(path=Path(folder) / f"{name}-phone-dark.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 720})
        page.emulate_media(color_scheme="light")


def test_a_video_is_replayed_and_what_happens_in_it_is_told(page: Page, server: RunningServer, video: Path) -> None:
    open_live(page, server.url)
    live = page.locator("#live")
    expect(live).to_have_attribute("data-state", "idle")
    shoot(page, "idle")
    page.locator("#video-file").set_input_files(video)
    expect(live).to_have_attribute("data-state", "running")
    expect(live).to_have_attribute("data-event", "red", timeout=15_000)
    expect(page.locator("[data-part=verdict]")).to_have_text("red")
    shoot(page, "event")
    expect(page.locator("[data-part=lag]")).to_contain_text("ms")
    expect(live).to_have_attribute("data-state", "ended", timeout=15_000)
    row = page.locator("[data-part=events] .row")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("red")
    start_s, end_s = (float(word) for word in row.locator(".when").inner_text().removesuffix(" s").split(" to "))
    assert start_s == pytest.approx(1.0, abs=0.6) and end_s == pytest.approx(3.5, abs=0.8)
    painted = page.locator("#chart").evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)"
    )
    assert painted
    shoot(page, "ended")


def test_what_is_not_known_is_called_unknown(page: Page, server: RunningServer, tmp_path: Path) -> None:
    dark = write_webm(tmp_path / "dark.webm", [(2, 2, 2)] * 90)
    open_live(page, server.url)
    page.locator("#video-file").set_input_files(dark)
    expect(page.locator("[data-part=verdict]")).to_have_text("Unknown", timeout=15_000)
    shoot(page, "unknown")


def test_the_camera_is_followed_until_it_is_stopped(page: Page, server: RunningServer) -> None:
    page.context.grant_permissions(["camera"])
    open_live(page, server.url)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("[data-part=lag]")).to_contain_text("ms", timeout=15_000)
    expect(page.locator("[data-part=looked]")).to_have_text("all of the picture")
    shoot(page, "running")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "ended")
    expect(page.get_by_role("button", name="Use the camera")).to_be_visible()


def test_a_camera_that_may_not_be_used(page: Page, server: RunningServer) -> None:
    page.context.clear_permissions()
    open_live(page, server.url)
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#live")).to_have_attribute("data-state", "problem")
    expect(page.locator("[data-part=problem]")).to_contain_text("The camera may not be used")
    shoot(page, "error")


def test_a_file_that_the_browser_cannot_play(page: Page, server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    open_live(page, server.url)
    page.locator("#video-file").set_input_files(tmp_path / "notes.mp4")
    expect(page.locator("[data-part=problem]")).to_contain_text("The browser cannot play this file")


def test_the_page_asks_for_a_window_where_the_model_knows_none(page: Page, tmp_path: Path, video: Path) -> None:
    with running_server(lasting(tmp_path / "model", None)) as server:
        open_live(page, server.url)
        page.locator("#video-file").set_input_files(video)
        expect(page.locator("[data-part=note]")).to_contain_text("give seconds")
        page.get_by_label("Window, s").fill("0.8")
        page.locator("#video-file").set_input_files(video)
        expect(page.locator("#live")).to_have_attribute("data-event", "red", timeout=15_000)


def test_a_model_of_depth_says_how_depth_is_sent(page: Page, tmp_path: Path) -> None:
    with running_server(lasting(tmp_path / "model", 0.8, "depth")) as server:
        open_live(page, server.url)
        expect(page.locator("#live")).to_have_attribute("data-state", "unable")
        expect(page.locator("[data-part=note]")).to_contain_text("python -m clients live")
        expect(page.get_by_role("button", name="Use the camera")).to_be_hidden()


def test_why_the_service_ends_a_stream_is_shown(page: Page, tmp_path: Path, video: Path) -> None:
    with running_server(lasting(tmp_path / "model", 0.8), max_live=1, exit_code=-signal.SIGKILL) as server:
        other = page.context.new_page()
        open_live(other, server.url)
        open_live(page, server.url)
        other.locator("#video-file").set_input_files(video)
        expect(other.locator("#live")).to_have_attribute("data-state", "running")
        page.locator("#video-file").set_input_files(video)
        expect(page.locator("[data-part=problem]")).to_contain_text("All 1 places")
        other.close()
        wait_until(lambda: metrics_of(server)["rgbd_motion_live_streams",] == 0)  # the place is free again
        page.locator("#video-file").set_input_files(video)
        expect(page.locator("#live")).to_have_attribute("data-state", "running")
        server.process.send_signal(signal.SIGKILL)
        expect(page.locator("[data-part=problem]")).to_contain_text("The connection was lost", timeout=15_000)


def test_a_key_is_asked_for(page: Page, tmp_path: Path, video: Path) -> None:
    key = add_key(tmp_path / "keys.json", "page", None, admin=False)
    with running_server(lasting(tmp_path / "model", 0.8), api_keys=tmp_path / "keys.json") as server:
        page.goto(f"{server.url}/live")
        page.locator("#key").fill(key)
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("#model")).to_have_attribute("data-state", "ready")
        page.locator("#video-file").set_input_files(video)
        expect(page.locator("#live")).to_have_attribute("data-event", "red", timeout=15_000)
        assert json.dumps(key) not in server.log.read_text()
