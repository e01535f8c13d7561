"""What the page sends: each file once, whatever is asked about it, and once more where the service has it no more."""

import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.page import expect_answer, open_page
from tests.support.server import running_server

pytestmark = pytest.mark.slow

FORM_BYTES = 1000  # of names and meta around the files of a form, at most


def sent_by(page: Page) -> list[tuple[str, int]]:
    """Return the addresses that the page posts to from here on, each with the bytes of its body."""
    sent: list[tuple[str, int]] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            length = int(request.all_headers()["content-length"])
            sent.append((urlsplit(request.url).path, length))

    page.on("requestfinished", note)
    return sent


def answered(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    open_page(page, url)
    for stream, path in zip(("rgb", "depth"), recording, strict=True):
        page.locator(f"#{stream}-file").set_input_files(path)
        expect(page.locator(f".stage[data-stream={stream}]")).to_have_attribute("data-state", "ready")
    expect_answer(page)


def explained(page: Page) -> None:
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("#reasons")).to_have_attribute("data-state", "shown")


def test_each_file_goes_over_the_wire_once(page: Page, url: str, recording: tuple[Path, Path]) -> None:
    sizes = [path.stat().st_size for path in recording]
    assert min(sizes) > 5 * FORM_BYTES
    sent = sent_by(page)
    answered(page, url, recording)
    explained(page)
    page.get_by_text("Options").click()
    page.get_by_label("End, s").fill("0.5")
    page.get_by_label("End, s").blur()  # all is read and answered again
    expect(page.locator("#answer [data-part=note]")).to_contain_text("0.5 s")
    uploads = [length for path, length in sent if path == "/recordings"]
    asked = [path for path, _ in sent if path != "/recordings"]
    for length, size in zip(uploads, sizes, strict=True):
        assert size < length < size + FORM_BYTES
    assert {"/preview", "/predict", "/explain"} == set(asked) and len(asked) > 5
    assert max(length for path, length in sent if path != "/recordings") < FORM_BYTES


def test_a_file_that_the_service_has_no_more_is_sent_again(
    page: Page, tmp_path: Path, recording: tuple[Path, Path]
) -> None:
    with running_server(make_bundle(tmp_path), kept_s=3) as server:
        answered(page, server.url, recording)
        time.sleep(3.5)
        sent = sent_by(page)
        explained(page)
        page.get_by_role("button", name="Recognise").click()
        expect_answer(page)
        both = sum(path.stat().st_size for path in recording)
        (missed, little), (again, much), *_ = sent
        assert missed == again == "/explain"
        assert little < FORM_BYTES and both < much < both + 2 * FORM_BYTES
        page.goto("about:blank")
