"""The browser that opens the pages, and what a person does and sees on one."""

import shutil
from base64 import b64encode
from pathlib import Path

from playwright.sync_api import Page, expect

CHROMIUM = shutil.which("chromium")
# Without the rule Chromium looks its makers' hosts up, whatever else is switched off.
RULE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--use-fake-device-for-media-stream", RULE]


def open_page(page: Page, url: str, model: str = "") -> None:
    """Open the page, wait until it knows its model, and choose another one where it is named."""
    page.goto(url)
    expect(page.locator("#model")).to_have_attribute("data-state", "ready")
    if model:
        page.get_by_label("Model").select_option(model)


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
    canvas = page.locator(f"[data-stream={stream}] [data-part=canvas]")
    colour: list[int] = canvas.evaluate(
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]", [x, y]
    )
    return colour[:3]


def expect_answer(page: Page) -> None:
    expect(page.locator("#answer")).to_have_attribute("data-state", "answer")
