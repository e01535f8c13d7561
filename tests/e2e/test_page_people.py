"""What the page says of a recording as a camera wrote it: who is in it, what the network sees, and what can be told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from rgbd.camera.sensors import SENSORS
from rgbd.clip.preparation import Preparation
from rgbd.recording.stills.images import write_image
from tests.support.page import expect_answer, open_page
from tests.support.raw_clips import empty_room, seen, write_raw
from tests.support.server import running_server
from tests.support.uploads import depth_frames, npz, rgb_frames, zip_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def preparing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that prepares what it gets."""
    spec = SPEC.model_copy(update={"resize": (320, 240), "crop": (224, 224)})
    preparation = Preparation(streams=("rgb", "depth"), masks="body", roi="clip")
    bundle = make_bundle(tmp_path_factory.mktemp("bundle"), spec=spec, preparation=preparation)
    with running_server(bundle, num_decoders=2) as server:
        yield server.url


def write_recording(folder: Path, *aside_m: float, units_per_mm: int = 1) -> tuple[Path, Path]:
    """Write colour, and a zip of depth, of people so far aside, or of an empty room."""
    frames = seen(*aside_m) if aside_m else empty_room()
    given = write_raw(folder, frames)
    for path, frame in zip(sorted(given["depth"].iterdir()), frames, strict=True):
        write_image(path, (frame.depth_mm * units_per_mm).astype(np.uint16))
    (folder / "depth.zip").write_bytes(zip_folder(given["depth"]))
    return given["rgb"], folder / "depth.zip"


def give(page: Page, rgb: Path, depth: Path) -> None:
    page.locator("#rgb-file").set_input_files(rgb)
    page.locator("#depth-file").set_input_files(depth)
    expect_answer(page)


def extent(page: Page, stream: str, line: str) -> np.ndarray:
    """Return (x0, y0, x1, y1) of what is drawn over a stream, in pixels of the screen."""
    corners = """selector => {
      const { left, top, right, bottom } = document.querySelector(selector).getBoundingClientRect();
      return [left, top, right, bottom];
    }"""
    return np.array(page.evaluate(corners, f"[data-stream={stream}] .views .{line}"))


def test_the_people_are_outlined_and_one_is_chosen(page: Page, preparing: str, tmp_path: Path) -> None:
    open_page(page, preparing)
    give(page, *write_recording(tmp_path, -0.8, 0.7))
    people, note = page.locator("#people"), page.locator("#answer [data-part=note]")
    expect(people).to_contain_text("2 people were found.")
    first, second = (people.get_by_role("button", name=f"Person {number}") for number in (1, 2))
    expect(first).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Pause").click()
    before = {stream: (extent(page, stream, "seen"), extent(page, stream, "outline")) for stream in ("rgb", "depth")}
    for frame, outline in before.values():
        middle = (outline[:2] + outline[2:]) / 2  # the network sees the middle of what is cut out: an arm may leave it
        assert (frame[:2] < middle).all() and (middle < frame[2:]).all()

    with page.expect_request("**/predict*") as request:
        second.click()
    assert parse_qs(urlsplit(request.value.url).query)["people"] == ["each"]
    expect(note).to_contain_text("person 2")
    expect(second).to_have_attribute("aria-pressed", "true")
    with page.expect_response("**/explain*") as explained:
        page.get_by_role("button", name="Why?").click()
    assert parse_qs(urlsplit(explained.value.url).query)["person"] == ["2"]
    assert explained.value.json()["person"] == 2
    verdict = page.locator("#answer [data-part=verdict]").inner_text()
    expect(page.locator("#reasons")).to_contain_text(f"“{verdict}”")
    page.get_by_role("button", name="Why?").click()
    for stream, (_, outline) in before.items():
        assert np.abs(extent(page, stream, "outline") - outline)[[0, 2]].min() > 50

    page.on("request", lambda request: pytest.fail(request.url) if "/predict" in request.url else None)
    first.click()  # is known already
    expect(note).to_contain_text("person 1")
    expect(page.get_by_role("button", name="Why?")).to_be_enabled()


def test_nobody_one_and_what_came_prepared(page: Page, preparing: str, tmp_path: Path) -> None:
    open_page(page, preparing)
    give(page, *write_recording(tmp_path / "none"))
    people = page.locator("#people")
    expect(people).to_contain_text("Nobody was found")
    expect(people.get_by_role("button")).to_have_count(0)
    give(page, *write_recording(tmp_path / "one", 0.2))
    expect(people).to_contain_text("One person was found.")
    page.get_by_text("Options").click()
    page.get_by_label("Prepared before").select_option("yes")
    expect(people).to_contain_text("taken as prepared")
    expect_answer(page)
    width = page.locator("[data-stream=rgb] .screen").evaluate("screen => screen.clientWidth")
    frame = extent(page, "rgb", "seen")
    assert frame[2] - frame[0] == pytest.approx(0.7 * width, abs=4)


def test_what_mattered_lies_where_the_person_was_cut_out(page: Page, preparing: str, tmp_path: Path) -> None:
    open_page(page, preparing)
    give(page, *write_recording(tmp_path, 0.2))
    frame = page.locator("[data-stream=rgb] .views .seen").get_attribute("d") or ""
    left, top, right, bottom = (float(number) for number in re.findall(r"[\d.]+", frame)[:4])
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("#reasons")).to_have_attribute("data-state", "shown")
    opacity = page.locator("[data-stream=rgb] .heat").evaluate(
        """(canvas, [x, y, inner]) => {
          const at = (x, y) => canvas.getContext("2d").getImageData(x, y, 1, 1).data;
          return [at(x - 3, y - 3)[3], inner.map(([x, y]) => [...at(x, y)])];
        }""",
        [left, top, [[left + 3, top + 3], [right - 3, bottom - 3]]],
    )
    shade = [0, 0, 0, 140]
    assert opacity[0] == shade[3] and shade not in opacity[1]


def test_another_scale_is_suggested_and_forgotten_with_the_recording(
    page: Page, preparing: str, tmp_path: Path
) -> None:
    open_page(page, preparing)
    far, near = write_recording(tmp_path / "far", 0.2, units_per_mm=10), write_recording(tmp_path / "near", 0.2)
    for stream, path in zip(("rgb", "depth"), far, strict=True):  # no answer: no sensor measures that
        page.locator(f"#{stream}-file").set_input_files(path)
    expect(page.locator("#answer")).to_contain_text("depth_scale_mm 0.1")
    hint, scale = page.locator("#scale-hint"), page.get_by_label("Depth scale")
    expect(hint).to_contain_text("Depth reaches 53 m")
    hint.get_by_role("button", name="Take one unit for 0.1 mm").click()
    expect(hint).to_be_hidden()
    expect(page.locator("[data-stream=depth] .legend")).to_contain_text("5.3 m")
    page.get_by_text("Options").click()
    expect(scale).to_have_value("0.1")
    expect_answer(page)
    page.locator("#depth-file").set_input_files(near[1])
    expect(scale).to_have_value("1")
    expect(page.locator("[data-stream=depth] .legend")).to_contain_text("5.3 m")


def test_rates_a_part_and_windows_are_told(page: Page, preparing: str, tmp_path: Path) -> None:
    open_page(page, preparing)
    rgb, depth = tmp_path / "rgb.npz", tmp_path / "depth.npz"
    rgb.write_bytes(npz(rgb_frames()))
    depth.write_bytes(npz(depth_frames()))
    page.get_by_text("Options").click()
    page.get_by_label("Prepared before").select_option("yes")
    give(page, rgb, depth)
    expect(page.locator("#clock")).to_contain_text(re.compile(r"^frame \d+ / 12$"))  # nobody knows seconds
    page.get_by_label("Parts to look at").fill("2")
    page.get_by_label("Parts to look at").blur()
    parts = page.get_by_role("group", name="Parts of the recording").locator(".row")
    expect(parts.nth(1)).to_contain_text("frames 7 to 12")

    page.get_by_label("Frames a second").fill("10")
    page.get_by_label("Frames a second").blur()
    expect(parts.nth(1)).to_contain_text("0.6 to 1.2 s")
    page.get_by_label("End, s").fill("0.3")
    page.get_by_label("End, s").blur()
    expect(page.locator("#answer [data-part=note]")).to_contain_text("from 3 frames, 0.3 s")
    page.get_by_label("End, s").fill("0.1")
    page.get_by_label("End, s").blur()
    expect(page.locator("#answer [data-part=note]")).to_contain_text("from 1 frame, 0.1 s")
    expect(page.locator("#sampled")).to_have_text("The network looks at 1 of 1 frame")
    page.get_by_label("Start, s").fill("0.2")
    page.get_by_label("Start, s").blur()
    problem = page.get_by_label("End, s").evaluate("field => field.validationMessage")
    assert problem == "The end must lie behind the start."


def test_all_cameras_are_offered_and_the_chosen_one_is_sent(page: Page, preparing: str, tmp_path: Path) -> None:
    open_page(page, preparing)
    give(page, *write_recording(tmp_path, 0.2))
    page.get_by_text("Options").click()
    camera = page.get_by_label("Depth camera")
    offered = camera.evaluate("field => [...field.options].map(option => [option.value, option.text])")
    assert offered[1:] == [[sensor.name, sensor.title] for sensor in SENSORS]
    with page.expect_response("**/predict*") as response:
        camera.select_option("femto")
    assert response.value.json()["clip"]["preparation"]["depth_camera"] == "Orbbec Femto"


def test_the_lens_is_sent_when_all_of_it_is_told(page: Page, preparing: str, tmp_path: Path) -> None:
    open_page(page, preparing)
    give(page, *write_recording(tmp_path, 0.2))
    page.get_by_text("Options").click()
    lens = {"fx": 286.0, "fy": 287.0, "cx": 160.5, "cy": 119.5}
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    *first, last = lens
    for name in first:
        page.get_by_label(name).fill(str(lens[name]))
        page.get_by_label(name).blur()
    assert asked == []  # some of it is not sent
    missing = page.get_by_label(last).evaluate("field => field.validationMessage")
    assert missing == "Give fx, fy, cx and cy, or none of them."
    page.get_by_label(last).fill(str(lens[last]))
    with page.expect_request("**/predict*") as request:
        page.get_by_label(last).blur()
    assert f'"intrinsics":{json.dumps(lens, separators=(",", ":"))}'.replace(".0,", ",") in (
        request.value.post_data or ""
    )
    expect_answer(page)
    page.get_by_label("Depth camera").select_option("femto")  # one of both tells the lens
    problem = page.get_by_label("Depth camera").evaluate("field => field.validationMessage")
    assert problem == "Its lens is given below: choose “as it looks” here."


def test_a_model_of_colour_finds_people_in_depth(page: Page, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"resize": (320, 240), "crop": (224, 224)})
    preparation = Preparation(streams=("rgb",), masks="body", roi="clip")
    with running_server(make_bundle(tmp_path / "bundle", "rgb", spec=spec, preparation=preparation)) as server:
        open_page(page, server.url)
        expect(page.get_by_label("Drop the depth recording")).to_have_accessible_description(
            "if there is any: people are found by it, and the answer rests on colour alone"
        )
        rgb, depth = write_recording(tmp_path, 0.2)
        page.locator("#depth-file").set_input_files(depth)
        expect(page.locator("#answer")).to_contain_text("Now the colour recording.")
        page.locator("#rgb-file").set_input_files(rgb)
        expect_answer(page)
        expect(page.locator("#people")).to_contain_text("One person was found.")
        page.locator("#depth-file").set_input_files(rgb)  # what cannot help stays out of the answer
        expect(page.locator("[data-stream=depth] .problem")).to_contain_text("8-bit images")
        page.get_by_role("button", name="Recognise").click()
        expect_answer(page)
        expect(page.locator("#people")).not_to_contain_text("One person was found.")  # nobody was looked for
        page.goto("about:blank")


def test_both_recordings_are_said_to_be_brought_together(page: Page, preparing: str, tmp_path: Path) -> None:
    open_page(page, preparing)
    rgb, depth = write_recording(tmp_path, 0.2)
    page.evaluate(
        """() => {
          window.said = [];
          const note = document.querySelector("#answer [data-part=note]");
          new MutationObserver(() => said.push(note.textContent)).observe(note, { childList: true });
        }"""
    )
    give(page, rgb, depth)
    assert "Colour and depth are being brought together." in page.evaluate("said")


def test_on_a_phone_recordings_are_chosen(browser: Browser, preparing: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    open_page(page, preparing)
    expect(page.get_by_label("Choose the colour recording")).to_be_attached()
    expect(page.locator("#lead")).to_contain_text("Choose a colour recording")
    expect(page.locator("main")).not_to_contain_text("rop ")
    context.close()


def test_a_model_of_motions_of_two_answers_about_all_together(page: Page, tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"resize": (320, 240), "crop": (224, 224)})
    preparation = Preparation(streams=("rgb", "depth"), masks="body", roi="clip", has_mutual_actions=True)
    with running_server(make_bundle(tmp_path / "bundle", spec=spec, preparation=preparation)) as server:
        open_page(page, server.url)
        give(page, *write_recording(tmp_path, -0.8, 0.7))
        together = page.get_by_role("button", name="All together")
        expect(together).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Person 1").click()
        expect(page.locator("#answer [data-part=note]")).to_contain_text("person 1")
        with page.expect_response("**/predict*") as response:
            together.click()
        assert response.value.json()["people"] == []
        expect_answer(page)
        expect(page.get_by_role("button", name="Why?")).to_be_enabled()
        page.goto("about:blank")
