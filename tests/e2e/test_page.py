"""The page as a person uses it: a real browser, a real service, real files dropped, chosen and refused."""

import shutil
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.page import drop, expect_answer, open_page, pixel
from tests.support.server import running_server

pytestmark = pytest.mark.slow


def test_two_dropped_files_play_in_step_and_are_answered(
    page: Page, url: str, recording: tuple[Path, Path], tmp_path: Path
) -> None:
    rgb, depth = recording
    page.goto(url)
    expect(page.locator("#model")).to_contain_text("tiny 1 onnxruntime cpu fp32")
    expect(page.get_by_role("button", name="Recognise")).to_be_disabled()
    drop(page, "[data-stream=rgb] .screen", rgb)
    expect(page.locator("#answer")).to_contain_text("Now the depth recording.")
    with page.expect_response("**/predict*") as response:
        drop(page, "[data-stream=depth] .screen", depth)
    timing = response.value.json()["timing_ms"]
    expect_answer(page)
    answer = page.locator("#answer")
    rows = answer.locator(".ranking .row")
    expect(rows).to_have_count(3)  # the tiny model has three labels
    best = rows.nth(0).locator(".label").inner_text()
    expect(answer.locator("[data-part=verdict]")).to_have_text(best)
    expect(answer.locator("[data-part=note]")).to_contain_text("30 frames, 1.0 s")
    expect(answer.locator("[data-stream=rgb]")).to_contain_text("red")  # an orange disc on grey
    expect(answer.locator(".timings")).to_contain_text("Total")
    widths = answer.locator(".timing-bar i").evaluate_all("parts => parts.map(part => part.offsetWidth)")
    assert widths[0] / sum(widths) == pytest.approx(timing["decode"] / timing["total"], abs=0.05)
    expect(page.locator("[data-stream=depth] .legend")).to_contain_text("1.5 m")

    page.get_by_role("button", name="Pause").click()
    page.locator("#seek").fill("15")  # half of the swing: the disc is at the right in both
    assert pixel(page, "rgb", 130, 60)[0] > 200
    red, green, _ = pixel(page, "depth", 130, 60)
    assert red > 100 > green  # JET: near is red
    page.screenshot(path=tmp_path / "answer.png", full_page=True)


def test_two_files_dropped_at_once_find_their_places(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    open_page(page, url)
    drop(page, "[data-stream=rgb] .screen", recording[1], recording[0])
    expect_answer(page)
    expect(page.locator("[data-stream=depth] .file")).to_have_text("swing_depth.mkv")


def test_everything_can_be_done_with_the_keyboard(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    open_page(page, url)
    focused = page.locator(":focus")
    for name in ("Recording", "Live", "Try an example"):
        page.keyboard.press("Tab")
        expect(focused).to_have_accessible_name(name)
    prompts = ("Drop the colour recording", "Drop the depth recording")
    for path, prompt, key in zip(recording, prompts, ("Enter", "Space"), strict=True):  # no camera: it has no depth
        page.keyboard.press("Tab")
        expect(focused).to_have_accessible_name(prompt)
        with page.expect_file_chooser() as chooser:
            page.keyboard.press(key)
        chooser.value.set_files(path)
        expect(page.locator("#play")).to_be_enabled()  # by the first recording read; till then Tab passes it by
    expect_answer(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#seek")).to_have_value("1")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Recognise")).to_be_focused()
    with page.expect_response("**/predict*") as response:
        page.keyboard.press("Enter")
    assert response.value.ok
    expect_answer(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Why?")).to_be_focused()
    expect(page.locator("#reasons")).to_have_attribute("data-state", "shown")


def test_the_depth_scale_is_sent(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    open_page(page, url)
    page.get_by_text("Options").click()
    page.get_by_label("Depth scale").fill("2")
    page.locator("#depth-file").set_input_files(recording[1])
    expect(page.locator("[data-stream=depth] .legend")).to_contain_text("3.0 m")
    page.get_by_label("Depth scale").fill("0.5")
    page.get_by_label("Depth scale").blur()
    expect(page.locator("[data-stream=depth] .legend")).to_contain_text("0.8 m")
    page.get_by_label("Depth scale").fill("0")
    page.get_by_label("Depth scale").blur()
    assert (
        page.get_by_label("Depth scale").evaluate("field => field.validationMessage") == "A number above 0 is needed."
    )


def test_what_cannot_be_read_is_said_in_its_place_and_can_be_mended(
    page: Page, url: str, recording: tuple[Path, Path], tmp_path: Path
) -> None:
    rgb, depth = recording
    text = tmp_path / "notes.txt"
    text.write_text("not a recording")
    page.goto(url)
    page.locator("#rgb-file").set_input_files(text)
    problem = page.locator("[data-stream=rgb] .problem")
    expect(problem).to_contain_text("This kind of file is not known")
    expect(problem).to_contain_text("notes.txt")
    expect(problem).to_contain_text("unknown_container")
    with page.expect_file_chooser() as chooser:
        problem.get_by_role("button", name="Choose another file").click()
    chooser.value.set_files(rgb)
    expect(page.locator("[data-stream=rgb]")).to_have_attribute("data-state", "ready")

    page.locator("#depth-file").set_input_files(rgb)  # a colour film is no depth for this model
    expect(page.locator("[data-stream=depth] .problem")).to_contain_text("give 16-bit PNG")
    expect(page.locator("#answer")).to_contain_text("Now the depth recording.")
    page.locator("#depth-file").set_input_files(depth)
    expect_answer(page)
    page.locator("#rgb-file").set_input_files(depth)
    expect(page.locator("[data-stream=rgb] .problem")).to_contain_text("It belongs in the place for depth")
    page.locator("#rgb-file").set_input_files(rgb)
    expect_answer(page)


def test_a_handful_of_frames_is_not_taken_for_a_recording(page: Page, url: str, tmp_path: Path) -> None:
    frames = [tmp_path / f"frame_{number}.png" for number in range(3)]
    for frame in frames:
        frame.write_bytes(b"")
    open_page(page, url)
    drop(page, "[data-stream=rgb] .screen", *frames)
    expect(page.locator("[data-stream=rgb] .problem")).to_contain_text("pack the frames of a folder into a zip")


def test_a_service_that_went_away_is_said_and_comes_back(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    open_page(page, url)
    page.context.set_offline(True)
    page.locator("#rgb-file").set_input_files(recording[0])
    expect(page.locator("#model")).to_contain_text("The service cannot be reached")
    page.context.set_offline(False)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-stream=rgb]")).to_have_attribute("data-state", "ready")


@pytest.mark.parametrize("ask", ["Recognise", "Why?", "Try an example"])
def test_a_model_that_was_replaced_is_followed_by_its_successor(page: Page, tmp_path: Path, ask: str) -> None:
    versions = tmp_path / "swing"
    make_bundle(tmp_path / "another" / "1", "rgb")  # the first by name, and not asked for
    make_bundle(versions / "1", "rgb")
    with running_server(models=tmp_path) as server:
        open_page(page, server.url, "swing 1")
        page.get_by_role("button", name="Try an example").click()
        expect_answer(page)
        make_bundle(versions / "2", "rgb")
        shutil.rmtree(versions / "1")
        assert httpx.post(server.url + "/v2/repository/models/swing/load").status_code == 200
        page.get_by_role("button", name=ask).click()
        expect(page.locator("#model")).to_contain_text("This model is not served any more")
        expect(page.get_by_label("Model").locator("option:checked")).to_have_text("swing 2")
        expect_answer(page)
        page.goto("about:blank")


@pytest.mark.parametrize("width", [320, 768, 1600])
def test_nothing_is_wider_than_the_window(page: Page, url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    open_page(page, url)
    page.get_by_role("button", name="Try an example").click()
    expect_answer(page)
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("#reasons")).to_contain_text("What mattered")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_model_of_one_stream_asks_for_one(page: Page, several: str, recording: tuple[Path, Path]) -> None:
    open_page(page, several, "colour 2")
    expect(page.locator("[data-stream=depth]")).to_be_hidden()
    page.locator("#rgb-file").set_input_files(recording[0])
    expect_answer(page)
    expect(page.locator("#answer .stream-card")).to_have_count(0)
    page.get_by_text("Options").click()
    expect(page.get_by_label("Start")).to_be_visible()
    expect(page.get_by_label("Depth scale")).to_be_hidden()


def test_a_model_of_depth_images_takes_them_and_asks_for_no_unit(
    page: Page, several: str, recording: tuple[Path, Path]
) -> None:
    open_page(page, several, "pictures 1")
    expect(page.locator("#depth-hint")).to_have_text(
        "or choose a file: a video, a zip of images, or as a camera wrote it"
    )
    page.get_by_text("Options").click()
    expect(page.get_by_label("Depth scale")).to_be_hidden()
    expect(page.get_by_role("button", name="Try an example")).to_be_hidden()  # its depth is measured
    page.locator("#depth-file").set_input_files(recording[0])  # as good as any 8-bit film
    expect_answer(page)
    expect(page.locator("[data-stream=depth] .legend")).to_be_hidden()


def test_one_stream_of_two_is_answered_where_the_model_can(
    page: Page, url: str, several: str, recording: tuple[Path, Path]
) -> None:
    for address in (several, url):  # the first model of `several` answers from colour alone, that of `url` does not
        open_page(page, address)
        camera, recognise = (page.get_by_role("button", name=name) for name in ("Use the camera", "Recognise"))
        expect(camera).to_be_visible(visible=address == several)
        page.locator("#rgb-file").set_input_files(recording[0])
        expect(page.locator("#answer")).to_contain_text("Now the depth recording.")
        expect(recognise).to_be_enabled(enabled=address == several)
        if address == several:
            recognise.click()
            expect_answer(page)
            expect(page.locator("#answer .warnings")).to_contain_text("depth is missing")


def test_what_was_not_learnt_gets_no_label_but_unknown(
    page: Page, recording: tuple[Path, Path], tmp_path: Path
) -> None:
    make_bundle(tmp_path / "strange" / "1", familiar=(900.0, 1000.0))
    make_bundle(tmp_path / "usual" / "1", familiar=(0.0, 1.0))
    with running_server(models=tmp_path) as server:
        open_page(page, server.url, model="strange 1")
        for stream, path in zip(("rgb", "depth"), recording, strict=True):
            page.locator(f"#{stream}-file").set_input_files(path)
        expect_answer(page)
        answer, verdict = page.locator("#answer"), page.locator("#answer [data-part=verdict]")
        expect(verdict).to_have_text("Unknown")
        expect(answer.locator("[data-part=note]")).to_contain_text(
            "Less familiar than all motions that the model has learnt"
        )
        expect(answer.locator(".ranking .row")).to_have_count(3)  # what comes nearest
        expect(answer.locator(".ranking .share").first).to_be_hidden()
        page.get_by_text("Options").click()
        page.get_by_label("Parts to look at").fill("2")
        page.get_by_label("Parts to look at").blur()
        expect(answer.locator("[data-part=windows] .label").first).to_contain_text("Unknown, nearest ")
        page.screenshot(path=tmp_path / "unknown.png", full_page=True)
        page.get_by_label("Model").select_option("usual 1")
        expect(verdict).not_to_have_text("Unknown")
        expect(answer).not_to_have_attribute("data-unknown", "")
