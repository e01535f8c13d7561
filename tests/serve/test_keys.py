"""Keys of a service that runs: the file counts as it is now, and as it was last where it cannot be read."""

import json
from pathlib import Path

import httpx
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from serve.keys import add_key
from tests.support.server import RunningServer, running_server


def status_with(server: RunningServer, key: str) -> int:
    return httpx.get(server.url + "/v2/models", headers={"Authorization": f"Bearer {key}"}).status_code


def remove_key(file: Path, name: str) -> None:
    """Delete a key's entry, as an editor does that writes into the file itself."""
    keys = [key for key in json.loads(file.read_text())["keys"] if key["name"] != name]
    file.write_text(json.dumps({"keys": keys}))


def test_keys_come_and_go_without_a_new_start(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    first = add_key(file, "first", None, admin=False)
    with running_server(make_bundle(tmp_path / "bundle"), api_keys=file) as server:
        assert status_with(server, first) == 200
        second = add_key(file, "second", 2, admin=False)
        assert (status_with(server, first), status_with(server, second)) == (200, 200)
        remove_key(file, "first")
        assert (status_with(server, first), status_with(server, second)) == (401, 200)
        assert status_with(server, second) == 429  # it has its limit, too
        remove_key(file, "second")
        assert (status_with(server, first), status_with(server, second)) == (401, 401)
        third = add_key(file, "third", None, admin=False)
        assert status_with(server, third) == 200
        log = server.log.read_text()
    assert f"{file}: has changed, and was read again: keys=2" in log
    assert first not in log and second not in log


@pytest.mark.parametrize("damage", ["malformed", "half", "not there", "folder"])
def test_a_file_that_cannot_be_read_any_more_leaves_the_keys_as_they_were(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "keys.json"
    key = add_key(file, "camera", None, admin=False)
    content = file.read_text()
    with running_server(make_bundle(tmp_path / "bundle"), api_keys=file) as server:
        if damage in ("not there", "folder"):
            file.unlink()
        if damage == "folder":
            file.mkdir()
        if damage == "malformed":
            file.write_text('{"keys": "all"}')
        if damage == "half":
            file.write_text(content[: len(content) // 2])
        assert (status_with(server, key), status_with(server, "rgbdm_guessed"), status_with(server, key)) == (
            200,
            401,
            200,
        )
        errors = [line for line in server.log.read_text().splitlines() if " ERROR " in line]
        assert len(errors) == 1 and f"{file}: " in errors[0] and "valid that it had last" in errors[0]
        if damage == "folder":
            file.rmdir()
        file.write_text('{"keys": []}')
        assert status_with(server, key) == 401
        file.write_text(content)
        assert status_with(server, key) == 200
