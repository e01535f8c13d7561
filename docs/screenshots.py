"""Takes the pictures of docs/serving.md: `python docs/screenshots.py --url http://127.0.0.1:8000`, beside `make serve`.

It needs chromium on the PATH. The recording is the page's built-in example.
"""

import argparse
import shutil
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
MOMENT = 18  # of the example's frames: the glove is up
WAIT_MS = 30_000


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the demo's bundle is served")
    url = parser.parse_args().url
    with sync_playwright() as playwright:
        # Without the rule Chromium looks its makers' hosts up, whatever else is switched off.
        rule = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {urlsplit(url).hostname}"
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", rule])
        desktop = answered(browser, url, width=1280, theme="light")
        save(desktop, "page")
        desktop.get_by_role("button", name="Why?").click()
        expect(desktop.locator("#reasons")).to_have_attribute("data-state", "shown", timeout=WAIT_MS)
        save(desktop, "page-why")
        save(answered(browser, url, width=360, theme="dark"), "page-phone")
        text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no recording"}
        for form in ({"rgb": text, "depth": text}, {"depth": text}, {"meta": "soon"}):  # refusals, for its table
            desktop.request.post(f"{url}/predict", multipart=form)
        desktop.goto(f"{url}/admin/status")
        expect(desktop.locator("#pulse")).to_have_text("Ready")
        save(desktop, "status")
        browser.close()


def answered(browser: Browser, url: str, width: int, theme: Literal["light", "dark"]) -> Page:
    """Return the page with the example's answer, stopped at a moment that shows something."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=theme)
    page.goto(url)
    page.get_by_role("button", name="Try an example").click()
    expect(page.locator("#answer")).to_have_attribute("data-state", "answer", timeout=WAIT_MS)
    with page.expect_response("**/predict*"):  # the first answer of a service takes longer than any other
        page.get_by_role("button", name="Recognise").click()
    expect(page.locator("#answer")).to_have_attribute("data-state", "answer", timeout=WAIT_MS)
    page.get_by_role("button", name="Pause").click()
    page.locator("#seek").fill(str(MOMENT))
    return page


def save(page: Page, name: str) -> None:
    """Write the whole page, with nothing under the mouse or in focus."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=IMAGES / f"{name}.png", full_page=True, animations="disabled")


if __name__ == "__main__":
    main()
