"""Where recordings come from: the example, the camera, one file with two tracks; and which model is asked."""

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from benchmarks.support.samples import samples
from rgbd.recording.videos.video import write_video
from tests.support.page import drop, expect_answer, open_page, pixel

pytestmark = pytest.mark.slow

LIVE = "document.querySelector('video').srcObject?.active ?? false"


def test_the_example_is_one_click_away(page: Page, url: str) -> None:
    open_page(page, url)
    page.get_by_role("button", name="Try an example").click()
    expect_answer(page)
    expect(page.locator("[data-stream=rgb] .file")).to_have_text("example_rgb.mp4")
    expect(page.locator("[data-stream=depth] .file")).to_have_text("example_depth.mkv")
    expect(page.locator("#answer [data-part=note]")).to_contain_text("44 frames, 2.9 s")
    expect(page.locator("#answer .warnings li")).to_have_count(0)


def test_a_recording_as_the_camera_wrote_it_is_answered_with_a_warning(page: Page, url: str, tmp_path: Path) -> None:
    large = [np.full((480, 640, 3), (200, 60, 40), np.uint8)] * 4
    write_video(tmp_path / "rgb.mp4", large)
    write_video(tmp_path / "depth.mkv", [frame[:, :, 0] * np.uint16(10) for frame in large])
    open_page(page, url)
    for stream, name in (("rgb", "rgb.mp4"), ("depth", "depth.mkv")):
        page.locator(f"#{stream}-file").set_input_files(tmp_path / name)
    expect_answer(page)
    for number, stream in enumerate(("rgb", "depth")):
        warning = page.locator("#answer .warnings li").nth(number)
        expect(warning).to_be_visible()
        expect(warning).to_contain_text(f"{stream} does not look like the clips that this model was trained on")


def test_the_camera_records_a_clip_that_is_answered(page: Page, several: str) -> None:
    page.context.grant_permissions(["camera"], origin=several)
    open_page(page, several, "colour 2")
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_label("What the camera sees")).to_be_visible()
    assert page.evaluate(LIVE)
    page.get_by_role("button", name="Record", exact=True).click()
    stop = page.get_by_role("button", name="Stop")
    expect(stop).to_be_focused()
    expect(stop).to_have_text("Stop 4 s")
    stop.click()
    expect_answer(page)
    expect(page.locator("[data-stream=rgb] .file")).to_have_text("camera.webm")
    expect(page.locator("#answer .ranking .row").first).to_contain_text("green")  # as Chromium's false camera is
    assert not page.evaluate(LIVE)


def test_a_camera_that_is_closed_is_let_go(page: Page, several: str, recording: tuple[Path, Path]) -> None:
    page.context.grant_permissions(["camera"], origin=several)
    open_page(page, several, "colour 2")
    camera = page.get_by_role("button", name="Use the camera")
    camera.click()
    expect(page.get_by_role("button", name="Record", exact=True)).to_be_focused()
    page.get_by_role("button", name="Close").click()
    expect(camera).to_be_focused()
    assert not page.evaluate(LIVE)

    camera.click()
    expect(page.get_by_role("button", name="Record", exact=True)).to_be_visible()
    page.locator("#rgb-file").set_input_files(recording[0])  # which says that the camera is not wanted any more
    expect(page.locator("[data-stream=rgb]")).to_have_attribute("data-state", "ready")
    assert not page.evaluate(LIVE)


def test_a_camera_that_may_not_be_used_can_be_allowed(page: Page, several: str) -> None:
    open_page(page, several, "colour 2")
    page.get_by_role("button", name="Use the camera").click()
    problem = page.locator("[data-stream=rgb] .problem")
    expect(problem).to_contain_text("The camera may not be used")
    page.context.grant_permissions(["camera"], origin=several)
    problem.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Record", exact=True)).to_be_visible()


def test_one_file_with_two_tracks_stands_for_both(
    page: Page, url: str, recording: tuple[Path, Path], tmp_path: Path
) -> None:
    both = tmp_path / "both.mkv"
    both.write_bytes(samples(tmp_path)["both .mkv"]["rgb"])
    open_page(page, url)
    page.locator("#rgb-file").set_input_files(both)
    expect_answer(page)
    for stream in ("rgb", "depth"):
        expect(page.locator(f"[data-stream={stream}] .file")).to_have_text("both.mkv")
    expect(page.locator("[data-stream=depth] .legend")).to_contain_text("3.7 m")

    page.locator("#rgb-file").set_input_files(recording[0])  # takes the depth of the other file with it
    expect(page.locator("#answer")).to_contain_text("Now the depth recording.")
    expect(page.locator("[data-stream=depth]")).to_have_attribute("data-state", "empty")


@pytest.mark.parametrize(
    ("sample", "name"),
    [
        ("both azure kinect", "lab.mkv"),
        ("both kept", "kept.mkv"),
        ("both .bag lz4", "d435.bag"),
        ("both .mcap zstd", "ros.mcap"),
    ],
)
def test_a_camera_s_own_file_that_is_dropped_is_answered(
    page: Page, url: str, tmp_path: Path, sample: str, name: str
) -> None:
    (tmp_path / name).write_bytes(samples(tmp_path)[sample]["rgb"])
    open_page(page, url)
    drop(page, "[data-stream=rgb]", tmp_path / name)
    expect_answer(page)
    for stream in ("rgb", "depth"):
        expect(page.locator(f"[data-stream={stream}] .file")).to_have_text(name)
        assert pixel(page, stream, 30, 24) != [0, 0, 0]


def test_one_of_several_models_is_chosen_and_asked(page: Page, several: str, recording: tuple[Path, Path]) -> None:
    open_page(page, several)
    choice = page.get_by_label("Model")
    expect(choice.get_by_role("option", include_hidden=True)).to_have_text(["both 1", "colour 2", "pictures 1"])
    page.locator("#rgb-file").set_input_files(recording[0])
    expect(page.locator("#answer")).to_contain_text("Now the depth recording.")

    with page.expect_request("**/predict*") as request:
        choice.select_option("colour 2")
    asked = parse_qs(urlsplit(request.value.url).query)
    assert (asked["model"], asked["version"]) == (["colour"], ["2"])
    expect_answer(page)
    expect(page.locator("[data-stream=depth]")).to_be_hidden()
    assert pixel(page, "rgb", 80, 60) != [0, 0, 0]
    with page.expect_response("**/explain*") as response:
        page.get_by_role("button", name="Why?").click()
    assert response.value.json()["model"]["name"] == "colour"

    choice.select_option("both 1")
    expect(page.locator("#answer")).to_contain_text("Now the depth recording.")
    expect(page.get_by_role("button", name="Why?")).to_be_disabled()
