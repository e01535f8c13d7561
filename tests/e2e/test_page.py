"""The page as a person uses it: a real browser, a real service, real files dropped, chosen and refused."""

import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from preprocess.frames import Frame, write_video
from tests.serve.server import running_server
from tests.serve.tiny_bundle import image_spec, make_bundle

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="the page is not tested: no chromium on this machine"),
]
ANSWER_MS = 15_000
HEIGHT, WIDTH, NUM_FRAMES = 120, 160, 30
NEAR_MM, WALL_MM = 1500, 4000


def disc(index: int) -> np.ndarray:
    """Return where, bool [120, 160], a hand-sized disc is that swings once from left to right and back."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    centre = WIDTH / 2 - 50 * np.cos(2 * np.pi * index / NUM_FRAMES)
    return np.asarray((x - centre) ** 2 + (y - 60) ** 2 < 22**2)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle"))) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
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


def drop(page: Page, selector: str, *files: Path) -> None:
    """Drop files as a mouse does: the browser gets a DataTransfer with their bytes."""
    contents = [(path.name, b64encode(path.read_bytes()).decode()) for path in files]
    transfer = page.evaluate_handle(
        """files => {
          const transfer = new DataTransfer();
          for (const [name, base64] of files) {
            const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
            transfer.items.add(new File([bytes], name));
          }
          return transfer;
        }""",
        contents,
    )
    for event in ("dragenter", "dragover", "drop"):
        page.dispatch_event(selector, event, {"dataTransfer": transfer})


def pixel(page: Page, stream: str, x: int, y: int) -> list[int]:
    """Return the colour that the stream's canvas shows at x, y."""
    canvas = page.locator(f"[data-stream={stream}] canvas")
    colour: list[int] = canvas.evaluate(
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]", [x, y]
    )
    return colour[:3]


def test_two_dropped_files_play_in_step_and_are_answered(
    page: Page, url: str, recording: tuple[Path, Path], tmp_path: Path
) -> None:
    rgb, depth = recording
    page.goto(url)
    expect(page.locator("#model")).to_contain_text("tiny 1 onnxruntime cpu fp32")
    expect(page.get_by_role("button", name="Recognise")).to_be_disabled()
    drop(page, "[data-stream=rgb] .screen", rgb)
    expect(page.locator("#answer")).to_contain_text("Now the depth recording.")
    drop(page, "[data-stream=depth] .screen", depth)

    answer = page.locator("#answer")
    expect(answer).to_have_attribute("data-state", "answer", timeout=ANSWER_MS)
    rows = answer.locator(".ranking .row")
    expect(rows).to_have_count(3)  # the tiny model has three labels
    best = rows.nth(0).locator(".label").inner_text()
    expect(answer.locator("[data-part=verdict]")).to_have_text(best)
    expect(answer.locator("[data-part=note]")).to_contain_text("30 frames, 1.0 s")
    expect(answer.locator("[data-stream=rgb]")).to_contain_text("red")  # an orange disc on grey
    expect(answer.locator(".timings")).to_contain_text("Total")
    expect(page.locator("[data-stream=depth] .legend")).to_contain_text("1.5 m")

    page.get_by_role("button", name="Pause").click()
    page.locator("#seek").fill("15")  # half of the swing: the disc is at the right in both
    assert pixel(page, "rgb", 130, 60)[0] > 200
    red, green, _ = pixel(page, "depth", 130, 60)
    assert red > 100 > green  # JET: near is red
    page.screenshot(path=tmp_path / "answer.png", full_page=True)


def test_two_files_dropped_at_once_find_their_places(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    page.goto(url)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")
    drop(page, "[data-stream=rgb] .screen", recording[1], recording[0])
    expect(page.locator("#answer")).to_have_attribute("data-state", "answer", timeout=ANSWER_MS)
    expect(page.locator("[data-stream=depth] .file")).to_have_text("swing_depth.mkv")


def test_everything_can_be_done_with_the_keyboard(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    page.goto(url)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")
    prompts = ("Drop the colour recording", "Drop the depth recording")
    for path, prompt, key in zip(recording, prompts, ("Enter", "Space"), strict=True):
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_accessible_name(prompt)
        with page.expect_file_chooser() as chooser:
            page.keyboard.press(key)
        chooser.value.set_files(path)
    expect(page.locator("#answer")).to_have_attribute("data-state", "answer", timeout=ANSWER_MS)
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


def test_the_depth_scale_is_sent(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    page.goto(url)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")
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
    expect(page.locator("#answer .problem")).to_contain_text("send 16-bit PNG", timeout=ANSWER_MS)
    page.locator("#depth-file").set_input_files(depth)
    expect(page.locator("#answer")).to_have_attribute("data-state", "answer", timeout=ANSWER_MS)
    expect(page.locator("#answer .problem")).to_be_empty()


def test_a_handful_of_frames_is_not_taken_for_a_recording(page: Page, url: str, tmp_path: Path) -> None:
    frames = [tmp_path / f"frame_{number}.png" for number in range(3)]
    for frame in frames:
        frame.write_bytes(b"")
    page.goto(url)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")
    drop(page, "[data-stream=rgb] .screen", *frames)
    expect(page.locator("[data-stream=rgb] .problem")).to_contain_text("pack the frames of a folder into a zip")


def test_a_service_that_went_away_is_said_and_comes_back(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    page.goto(url)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")
    page.context.set_offline(True)
    page.locator("#rgb-file").set_input_files(recording[0])
    expect(page.locator("#model")).to_contain_text("The service cannot be reached")
    page.context.set_offline(False)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready", timeout=ANSWER_MS)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-stream=rgb]")).to_have_attribute("data-state", "ready")


@pytest.mark.parametrize("width", [320, 390, 768, 1600])
def test_nothing_is_wider_than_the_window(page: Page, url: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(url)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_model_of_one_stream_asks_for_one(page: Page, recording: tuple[Path, Path], tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path / "bundle", "rgb")) as server:
        page.goto(server.url)
        expect(page.locator("[data-stream=depth]")).to_be_hidden()
        page.locator("#rgb-file").set_input_files(recording[0])
        expect(page.locator("#answer")).to_have_attribute("data-state", "answer", timeout=ANSWER_MS)
        expect(page.locator("#answer .stream-card")).to_have_count(0)
        expect(page.get_by_text("Options")).to_be_hidden()
        page.goto("about:blank")  # the service ends when nobody holds a connection


def test_a_model_of_depth_images_takes_them_and_asks_for_no_unit(
    page: Page, recording: tuple[Path, Path], tmp_path: Path
) -> None:
    with running_server(make_bundle(tmp_path / "bundle", "depth", spec=image_spec())) as server:
        page.goto(server.url)
        expect(page.locator("#depth-hint")).to_have_text("or choose a video, a zip of images, an .npz")
        expect(page.get_by_text("Options")).to_be_hidden()
        page.locator("#depth-file").set_input_files(recording[0])  # as good as any 8-bit film
        expect(page.locator("#answer")).to_have_attribute("data-state", "answer", timeout=ANSWER_MS)
        expect(page.locator("[data-stream=depth] .legend")).to_be_hidden()
        page.goto("about:blank")
