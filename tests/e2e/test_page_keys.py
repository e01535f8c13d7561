"""A service that asks for keys: the page asks for one, keeps it out of addresses, and says what is wrong with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from benchmarks.support.tiny_bundle import make_bundle
from serve.keys import add_key
from tests.support.page import expect_answer
from tests.support.server import running_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    return {
        "file": str(file),
        "plain": add_key(file, "camera", None, admin=False),
        "slow": add_key(file, "visitor", 4, admin=False),
        "admin": add_key(file, "operator", None, admin=True),
    }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[str]:
    bundle = make_bundle(tmp_path_factory.mktemp("bundle"))
    with running_server(bundle, api_keys=keys["file"]) as server:
        yield server.url


def give_key(page: Page, key: str) -> None:
    dialog = page.get_by_role("dialog", name="This service asks for a key")
    dialog.get_by_label("Key").fill(key)
    dialog.get_by_role("button", name="Continue").click()


def test_a_key_is_asked_for_once_and_never_part_of_an_address(
    page: Page, guarded: str, keys: dict[str, str], recording: tuple[Path, Path]
) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(guarded)
    dialog = page.get_by_role("dialog", name="This service asks for a key")
    expect(dialog.get_by_label("Key")).to_be_focused()
    give_key(page, "mistyped")
    expect(dialog.get_by_role("alert")).to_contain_text("does not know that key")
    give_key(page, f" {keys['plain']} ")
    expect(page.locator("#model")).to_contain_text("tiny 1")
    page.reload()
    expect(page.locator("#model")).to_contain_text("tiny 1")
    page.locator("#rgb-file").set_input_files(recording[0])
    page.locator("#depth-file").set_input_files(recording[1])
    expect_answer(page)
    expect(dialog).to_have_count(0)
    assert not any(keys["plain"] in address for address in addresses)


def test_who_gives_no_key_can_do_so_later(
    page: Page, guarded: str, keys: dict[str, str], recording: tuple[Path, Path]
) -> None:
    page.goto(guarded)
    expect(page.get_by_label("Key", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#model")).to_contain_text("A key is needed")
    page.locator("#rgb-file").set_input_files(recording[0])  # which has to wait until the model is known
    page.get_by_role("button", name="Enter a key").click()
    give_key(page, keys["plain"])
    expect(page.locator("#model")).to_contain_text("tiny 1")
    expect(page.locator("[data-stream=rgb]")).to_have_attribute("data-state", "ready")


def test_a_key_that_was_used_too_often_is_told_when_to_come_back(
    page: Page, guarded: str, keys: dict[str, str], recording: tuple[Path, Path]
) -> None:
    page.goto(guarded)
    give_key(page, keys["slow"])  # which may ask for the models and the model, and send one recording and look at it
    expect(page.locator("#model")).to_contain_text("tiny 1")
    page.locator("#rgb-file").set_input_files(recording[0])
    expect(page.locator("[data-stream=rgb]")).to_have_attribute("data-state", "ready")
    page.locator("#depth-file").set_input_files(recording[1])
    problem = page.locator("[data-stream=depth] .problem")
    expect(problem).to_contain_text("This key was used too often")
    expect(problem).to_contain_text("Visitor may ask 4 times a minute; come back later. Try again in ")
    expect(problem.get_by_role("button", name="Try again")).to_be_visible()


def test_the_status_is_for_the_owner(page: Page, guarded: str, keys: dict[str, str]) -> None:
    page.goto(guarded + "/admin/status")
    give_key(page, keys["plain"])
    problem = page.locator(".problem")
    expect(problem).to_contain_text("This key does not open this")
    problem.get_by_role("button", name="Use another key").click()
    give_key(page, keys["admin"])
    expect(page.locator("#pulse")).to_have_text("Ready")
    expect(problem).to_be_empty()
    expect(page.get_by_role("row", name="not_admin")).to_contain_text("1")
