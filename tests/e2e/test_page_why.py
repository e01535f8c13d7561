"""Why the answer is what it is: marks on the pictures and the time line, and words that say the same."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from rgbd.clip.sampling import bin_centres
from rgbd.recording.videos.video import write_video
from tests.support.page import expect_answer, open_page
from tests.support.uploads import npz

pytestmark = pytest.mark.slow

FIND_GLOW = """canvas => {
  const {width, height} = canvas;
  const {data} = canvas.getContext('2d').getImageData(0, 0, width, height);
  let best = [-1, 0, 0];
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const green = data[4 * (y * width + x) + 1]; // rises from the first colour of the heat to the last
      if (green > best[0]) best = [green, (x + 0.5) / width, (y + 0.5) / height];
    }
  return best;
}"""


def answered(page: Page, url: str, rgb: Path, depth: Path) -> None:
    open_page(page, url)
    page.locator("#rgb-file").set_input_files(rgb)
    page.locator("#depth-file").set_input_files(depth)
    expect_answer(page)


def glow(page: Page, stream: str) -> tuple[float, float, float]:
    """Return how bright the heat is where it is brightest, and that place: x and y as shares of the picture."""
    brightness, x, y = page.locator(f"[data-stream={stream}] .heat").evaluate(FIND_GLOW)
    return brightness, x, y


def test_what_mattered_glows_where_the_service_found_it(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    answered(page, url, *recording)
    with page.expect_response("**/explain*") as response:
        page.get_by_role("button", name="Why?").click()
    found = response.value.json()
    reasons = page.locator("#reasons")
    expect(reasons).to_contain_text(f"What mattered for “{found['label']}”")
    expect(page.locator(".moments rect")).to_have_count(len(found["moments"]))

    regions, (x0, y0, x1, y1) = np.array(found["regions"]), found["box"]
    row, column = np.unravel_index(regions.argmax(), regions.shape)
    for stream in ("rgb", "depth"):
        brightness, x, y = glow(page, stream)
        assert brightness > 150
        assert abs((y - y0) / (y1 - y0) * regions.shape[0] - row - 0.5) < 1
        assert abs((x - x0) / (x1 - x0) * regions.shape[1] - column - 0.5) < 1

    page.get_by_role("button", name="Why?").click()
    expect(reasons).not_to_contain_text("What mattered")
    expect(page.locator(".moments rect")).to_have_count(0)
    assert glow(page, "rgb")[0] == 0


def test_a_picture_of_nothing_has_no_reasons(page: Page, url: str, tmp_path: Path) -> None:
    rgb, depth = tmp_path / "rgb.npz", tmp_path / "depth.npz"
    rgb.write_bytes(npz([np.full((48, 64, 3), 90, np.uint8)] * 8))
    depth.write_bytes(npz([np.full((48, 64), 2000, np.uint16)] * 8))
    answered(page, url, rgb, depth)
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("#reasons")).to_contain_text("Nothing stands out")
    expect(page.locator("#reasons .scale")).to_be_hidden()


def test_who_will_not_wait_cancels(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    answered(page, url, *recording)
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    line = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", {**line, "latency": 60_000})
    why = page.get_by_role("button", name="Why?")
    why.click()
    expect(page.get_by_role("progressbar", name="Looking for reasons")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Hiding one part after another")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("progressbar")).to_be_hidden()
    expect(why).to_have_attribute("aria-pressed", "false")
    expect(why).to_be_focused()

    network.send("Network.emulateNetworkConditions", {**line, "latency": 0})
    why.click()
    expect(page.locator("#reasons")).to_have_attribute("data-state", "shown")


def test_the_frames_that_the_network_sees_are_marked(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    answered(page, url, *recording)
    expect(page.locator("#sampled")).to_have_text("The network looks at 4 of 30 frames")
    expect(page.locator("#seek")).to_have_accessible_description("The network looks at 4 of 30 frames")
    assert marked(page) == {"both": bin_centres(30, 4).tolist()}


def test_streams_that_are_sampled_differently_have_marks_of_their_own(
    page: Page, url: str, recording: tuple[Path, Path], tmp_path: Path
) -> None:
    depth = tmp_path / "slower.mkv"
    write_video(depth, [np.full((48, 64), 2000 + 50 * index, np.uint16) for index in range(10)], fps=10)
    answered(page, url, recording[0], depth)
    expect(page.locator("#sampled")).to_have_text("The network looks at 4 of 30 colour frames and 4 of 10 depth frames")
    marks = marked(page)
    assert len(marks["rgb"]) == len(marks["depth"]) == 4
    assert max(marks["depth"]) < 10 < max(marks["rgb"])


def marked(page: Page) -> dict[str, list[int]]:
    """Return the frames marked on the time line, by stream."""
    rows = page.locator(".ticks svg").evaluate_all(
        "rows => rows.map(row => [row.dataset.stream, row.querySelector('path').getAttribute('d')])"
    )
    return {stream: [int(mark.split(" ")[0]) for mark in path.split("M")[1:]] for stream, path in rows}
