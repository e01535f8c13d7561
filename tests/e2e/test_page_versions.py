"""The pages against another version of the service: fields that they do not know, optional ones that are absent."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.doctored import doctored
from tests.support.page import drop, expect_answer, open_page

pytestmark = pytest.mark.slow

OPTIONAL = ("streams", "windows", "warnings", "timing_ms", "duration_s", "fps", "depth_frames", "near_mm", "far_mm")


def doctor(page: Page, *without: str) -> set[str]:
    """Change all that the service answers from now on; return the paths of what was changed, as they come."""
    changed: set[str] = set()

    def change(route: Route) -> None:
        response = route.fetch()
        if "json" not in response.headers.get("content-type", ""):
            return route.fulfill(response=response)
        changed.add(route.request.url.split("?")[0].rsplit("/", 1)[-1])
        return route.fulfill(response=response, json=doctored(response.json(), without))

    page.route("**/*", change)
    return changed


@pytest.mark.parametrize("without", [(), OPTIONAL], ids=["more fields", "more and fewer"])
def test_the_page_goes_by_the_fields_that_it_knows(
    page: Page, url: str, recording: tuple[Path, Path], without: tuple[str, ...]
) -> None:
    changed = doctor(page, *without)
    open_page(page, url)
    drop(page, "[data-stream=rgb] .screen", *recording)
    expect_answer(page)
    expect(page.locator("#answer .ranking .row")).to_have_count(3)
    expect(page.locator("#answer .stream-card")).to_have_count(0 if without else 2)
    expect(page.locator("#answer")).not_to_contain_text("NaN")
    expect(page.locator("#answer")).not_to_contain_text("undefined")
    page.get_by_role("button", name="Why?").click()
    expect(page.locator("#reasons")).to_have_attribute("data-state", "shown")
    assert changed >= {"models", "preview", "predict", "explain"}
    page.unroute_all(behavior="wait")


def test_the_status_goes_by_the_fields_that_it_knows(page: Page, url: str) -> None:
    changed = doctor(page, "runtime", "modality", "mean_ms")
    page.goto(url + "/admin/status")
    expect(page.locator("#pulse")).to_have_text("Ready")
    expect(page.get_by_role("row", name="tiny 1")).to_contain_text("ready")
    assert "state" in changed
    page.unroute_all(behavior="wait")
