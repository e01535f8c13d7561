"""What requests need is tried before the service listens, and what is missing is named."""

import os
import signal
from pathlib import Path

import httpx
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.commands import assert_refused, run_module
from tests.support.requests import post, request_at_work
from tests.support.server import running_server
from tests.support.uploads import FILES
from tests.support.waiting import wait_until


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")


def test_a_temp_folder_that_cannot_be_written_is_named(bundle: Path, tmp_path: Path) -> None:
    nowhere, file = tmp_path / "nowhere", tmp_path / "file"
    file.touch()
    for folder in (nowhere, file):
        result = run_module("serve", "--bundle", bundle, "--port", 0, TMPDIR=str(folder))
        assert_refused(result, f"{folder}: uploads go there, and cannot be written", "set TMPDIR to another folder")


def test_a_temp_folder_without_room_for_an_upload_is_named(bundle: Path, tmp_path: Path) -> None:
    result = run_module("serve", "check", "--bundle", bundle, "--max-upload-mb", 10**9, TMPDIR=str(tmp_path))
    needed = "one beside those that are kept may need 5000000000 MiB, but only"
    assert_refused(result, f"{tmp_path}: uploads go there, and {needed}", "set TMPDIR")


def test_decoders_that_do_not_run_end_the_start(bundle: Path) -> None:
    result = run_module("tests.support.saboteur", "--bundle", bundle, "--port", 0, "decoders")
    assert_refused(result, "no clip can be decoded (a decoder process was not ready", "ended (1)")
    assert "http://" not in result.stderr


def test_a_decoder_that_hangs_ends_the_start(bundle: Path) -> None:
    result = run_module("tests.support.saboteur", "--bundle", bundle, "--port", 0, "hanging-decoders")
    assert_refused(result, "no clip can be decoded (a decoder process did not answer within 1 s)")


def test_what_killed_services_left_is_removed_at_the_next_start(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))
    with running_server(bundle) as living, request_at_work(living) as (decoder, answer):
        (used,) = temp.glob("rgbd-motion-*/files/rgb")
        with running_server(bundle, exit_code=-signal.SIGKILL) as killed, request_at_work(killed) as (theirs, lost):
            (left,) = set(temp.glob("rgbd-motion-*/files/rgb")) - {used}
            os.kill(killed.process.pid, signal.SIGKILL)
            os.kill(theirs, signal.SIGCONT)
            assert isinstance(lost.exception(), httpx.HTTPError)
        assert left.exists()
        with running_server(bundle) as successor:
            assert not left.exists() and used.exists()
            assert "killed processes had left there: folders=1" in successor.log.read_text()
            assert post(successor, **FILES).status_code == 200
        os.kill(decoder, signal.SIGCONT)
        assert answer.result().status_code == 200
        wait_until(lambda: list(temp.glob("rgbd-motion-*")) == [])
