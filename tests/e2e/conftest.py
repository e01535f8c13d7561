"""A real browser, a real service, and a recording."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.support.tiny_bundle import image_spec, make_bundle
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame
from tests.support.page import ARGUMENTS, CHROMIUM
from tests.support.server import running_server

HEIGHT, WIDTH, NUM_FRAMES = 120, 160, 30
NEAR_MM, WALL_MM = 1500, 4000


def disc(index: int) -> np.ndarray:
    """Return where, bool [120, 160], a hand-sized disc is that swings once from left to right and back."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    centre = WIDTH / 2 - 50 * np.cos(2 * np.pi * index / NUM_FRAMES)
    return np.asarray((x - centre) ** 2 + (y - 60) ** 2 < 22**2)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An orange disc that swings before a dim wall, and its depth."""
    folder = tmp_path_factory.mktemp("recording")
    colors: list[Frame] = []
    depths: list[Frame] = []
    for index in range(NUM_FRAMES):
        where = disc(index)
        shade = np.linspace(70, 30, HEIGHT, dtype=np.uint8)[:, None, None] * np.ones((1, WIDTH, 3), np.uint8)
        colors.append(np.where(where[:, :, None], np.array([250, 120, 20], np.uint8), shade))
        floor = np.linspace(WALL_MM, WALL_MM - 1200, HEIGHT, dtype=np.uint16)[:, None] * np.ones((1, WIDTH), np.uint16)
        depths.append(np.where(where, np.uint16(NEAR_MM), floor))
    write_video(folder / "swing_rgb.avi", colors)
    write_video(folder / "swing_depth.mkv", depths)
    return folder / "swing_rgb.avi", folder / "swing_depth.mkv"


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle")), num_decoders=2) as server:
        yield server.url


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with models of both streams, of colour, and of depth as 8-bit images."""
    models = tmp_path_factory.mktemp("models")
    make_bundle(models / "both" / "1", alone={"rgb": 0.7})
    make_bundle(models / "colour" / "2", "rgb")
    make_bundle(models / "pictures" / "1", "depth", spec=image_spec())
    with running_server(models=models, num_decoders=2) as server:
        yield server.url


@pytest.fixture(scope="module")  # while it lives, no other test can have an event loop
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("the pages are not tested: no chromium on this machine")
    expect.set_options(timeout=60_000)  # on a machine that is busy otherwise: 20 s were once too few
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="no-preference")
    page = context.new_page()
    errors: list[str] = []
    hosts: set[str | None] = set()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    # Switches the real file dialog off from the start: done at the key press, it would come too late now and then.
    page.on("filechooser", lambda _: None)
    yield page
    context.close()
    assert errors == []
    assert hosts <= {"127.0.0.1", None}  # nothing from elsewhere; None: the previews, which are data URIs
