"""A recording is sent once, and further requests name it: for a while, within a number of bytes, for who sent it."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from serve.keys import add_key
from tests.support.commands import assert_refused, run_module
from tests.support.requests import decoder_of, metrics_of, post, refused, scores
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES
from tests.support.waiting import wait_until

MIB = 1 << 20


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that uploads of a server go to, which has no other one's."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def keep(server: RunningServer, key: str | None = None, **files: bytes) -> str:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    response = httpx.post(server.url + "/recordings", files=files or FILES, headers=headers, timeout=60)
    assert response.status_code == 201, response.text
    assert response.json()["streams"] == list(files or FILES)
    return str(response.json()["recording"])


def ask(server: RunningServer, *names: str, path: str = "/predict", key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.post(
        server.url + path, files=[("recording", (None, name)) for name in names], headers=headers, timeout=60
    )


def drop(server: RunningServer, name: str, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.delete(f"{server.url}/recordings/{name}", headers=headers)


def unknown(response: httpx.Response) -> str:
    return refused(response, 404, "unknown_recording")


def kept(temp: Path) -> set[Path]:
    return set(temp.glob("rgbd-motion-*/files/*"))


@pytest.mark.parametrize("path", ["/predict", "/predict?windows=2", "/preview", "/explain"])
def test_an_answer_about_a_kept_recording_is_that_about_its_files(server: RunningServer, path: str) -> None:
    name = keep(server)
    sent, named = (response.json() for response in (post(server, path, **FILES), ask(server, name, path=path)))
    for answer in (sent, named):
        for of_one_request in ("request_id", "timing_ms"):
            answer.pop(of_one_request, None)
    assert named == sent


def test_colour_and_depth_may_be_sent_one_by_one(server: RunningServer) -> None:
    rgb, depth = (keep(server, **{stream: FILES[stream]}) for stream in ("rgb", "depth"))
    assert scores(ask(server, depth, rgb)) == scores(post(server, **FILES))
    assert ask(server, depth, path="/preview").json()["rgb"] is None
    assert "give depth, too" in refused(ask(server, rgb), 400, "missing_stream")
    both = keep(server)
    for names in ((rgb, rgb), (rgb, both)):
        assert "two of them have rgb" in refused(ask(server, *names), 400, "malformed_request")


def test_what_is_said_of_a_recording_is_said_with_each_request(server: RunningServer) -> None:
    name = keep(server)
    part = httpx.post(
        server.url + "/predict", files={"recording": (None, name), "meta": (None, '{"fps": 10, "end_s": 0.5}')}
    )
    assert part.json()["clip"]["rgb_frames"] == 5


def test_files_and_a_recording_are_not_given_together_and_one_of_them_is(server: RunningServer) -> None:
    both = httpx.post(server.url + "/predict", files=FILES, data={"recording": keep(server)})
    assert "recording: was given together with rgb and depth" in refused(both, 400, "malformed_request")
    detail = refused(httpx.post(server.url + "/predict", data={"meta": "{}"}), 400, "missing_stream")
    assert "give rgb and depth, as the model needs them, or a recording" in detail
    assert "give rgb, depth, or both" in refused(httpx.post(server.url + "/recordings"), 400, "missing_stream")
    as_file = httpx.post(server.url + "/predict", files={"recording": ("a.mp4", b"x")})
    assert "recording: was sent as a file, and is a field" in refused(as_file, 400, "malformed_request")


def test_a_recording_takes_files_alone(server: RunningServer) -> None:
    said = httpx.post(server.url + "/recordings", files=FILES, data={"meta": "{}"})
    assert "'meta': no part of the form is called so; there are rgb, depth" in refused(said, 400, "malformed_request")
    many = httpx.post(server.url + "/recordings", files=[("rgb", (f"{number}.png", b"x")) for number in range(9)])
    assert "the form takes rgb and depth, each one file; the frames" in refused(many, 400, "malformed_request")
    assert "larger than 8 MiB" in refused(post(server, "/recordings", rgb=bytes(9 * MIB)), 413, "too_large")


def test_what_was_dropped_is_not_there_any_more(server: RunningServer) -> None:
    name = keep(server)
    answer = drop(server, name)
    assert (answer.status_code, answer.content) == (204, b"")
    details = [
        unknown(ask(server, name)),
        unknown(drop(server, name)),
        unknown(ask(server, "never")),
        unknown(drop(server, "x")),
    ]
    assert set(details) == {"there is no such recording here, or not any more; send the files again"}


def test_it_is_there_for_so_long_from_its_last_use(tmp_path: Path, temp: Path) -> None:
    with running_server(make_bundle(tmp_path), kept_s=2) as server:
        assert httpx.post(server.url + "/recordings", files=FILES).json()["expires_s"] == 2
        begun = time.monotonic()
        name = keep(server)
        while time.monotonic() - begun < 4:  # longer than it is kept without a use
            assert ask(server, name).status_code == 200
            time.sleep(0.3)
        wait_until(lambda: kept(temp) == set())
        unknown(ask(server, name))


def test_the_oldest_makes_room(tmp_path: Path, temp: Path) -> None:
    with running_server(make_bundle(tmp_path), max_upload_mb=1, max_kept_mb=3) as server:
        names = [keep(server) for _ in range(3)]  # each counts as a MiB
        assert metrics_of(server)["rgbd_motion_kept_bytes",] == 3 * MIB
        assert ask(server, names[0]).status_code == 200  # so that another is the oldest
        names.append(keep(server))
        unknown(ask(server, names[1]))
        assert [ask(server, names[number]).status_code for number in (0, 2, 3)] == [200] * 3
        assert len(kept(temp)) == 2 * 3
    assert list(temp.iterdir()) == []


def test_what_is_in_use_stays_whoever_needs_its_room(tmp_path: Path, temp: Path) -> None:
    with running_server(make_bundle(tmp_path), max_upload_mb=1, max_kept_mb=1, kept_s=1) as server:
        name = keep(server)
        assert ask(server, name).status_code == 200  # from here on the decoder is at its post
        decoder = decoder_of(server)
        os.kill(decoder, signal.SIGSTOP)
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(ask, server, name)
            time.sleep(2)  # longer than it is kept without a use
            full = httpx.post(server.url + "/recordings", files=FILES)
            assert "the recordings in use have 1 MiB" in refused(full, 429, "too_many_uploads")
            assert drop(server, name).status_code == 204
            unknown(ask(server, name))
            refused(httpx.post(server.url + "/recordings", files=FILES), 429, "too_many_uploads")  # it is still there
            assert len(kept(temp)) == 2
            os.kill(decoder, signal.SIGCONT)
            assert answer.result().status_code == 200
        wait_until(lambda: kept(temp) == set())
        keep(server)


def test_many_at_once_keep_the_limit(tmp_path: Path, temp: Path) -> None:
    with running_server(make_bundle(tmp_path), max_upload_mb=1, max_kept_mb=4) as server:
        most, is_over = 0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not is_over.is_set():
                most = max(most, len(list(temp.glob("rgbd-motion-*/files"))))

        watcher = threading.Thread(target=watch)
        watcher.start()
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(lambda _: post(server, "/recordings", **FILES).status_code, range(40)))
        is_over.set()
        watcher.join()
        assert set(statuses) <= {201, 429}
        assert most <= 4 + 1  # and the one that is just being removed
        assert metrics_of(server)["rgbd_motion_kept_bytes",] <= 4 * MIB


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    limits = {"one": None, "other": None, "slow": 2}
    return {"file": str(file)} | {name: add_key(file, name, most, admin=False) for name, most in limits.items()}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[RunningServer]:
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle")), api_keys=keys["file"]) as server:
        yield server


def test_it_is_there_for_the_key_that_sent_it(guarded: RunningServer, keys: dict[str, str]) -> None:
    refused(post(guarded, "/recordings", **FILES), 401, "unknown_key")
    name = keep(guarded, keys["one"])
    assert ask(guarded, name, key=keys["one"]).status_code == 200
    never = unknown(ask(guarded, "never", key=keys["other"]))
    assert unknown(ask(guarded, name, key=keys["other"])) == unknown(drop(guarded, name, keys["other"])) == never
    refused(drop(guarded, name), 401, "unknown_key")
    assert ask(guarded, name, key=keys["one"]).status_code == 200
    assert drop(guarded, name, keys["one"]).status_code == 204


def test_keeping_counts_as_a_request_of_its_key(guarded: RunningServer, keys: dict[str, str]) -> None:
    name = keep(guarded, keys["slow"])
    assert drop(guarded, name, keys["slow"]).status_code == 204
    headers = {"Authorization": f"Bearer {keys['slow']}"}
    refused(httpx.post(guarded.url + "/recordings", files=FILES, headers=headers), 429, "rate_limit")


def test_what_a_killed_service_kept_is_removed_at_the_next_start(tmp_path: Path, temp: Path) -> None:
    bundle = make_bundle(tmp_path)
    with running_server(bundle, exit_code=-signal.SIGKILL) as killed:
        keep(killed)
        os.kill(killed.process.pid, signal.SIGKILL)
    assert len(kept(temp)) == 2
    with running_server(bundle) as successor:
        assert kept(temp) == set()
        assert ask(successor, keep(successor)).status_code == 200
    assert list(temp.iterdir()) == []


def test_a_stopping_service_keeps_nothing_new(tmp_path: Path, temp: Path) -> None:
    with running_server(make_bundle(tmp_path)) as server:
        name = keep(server)
        decoder = decoder_of(server)
        assert ask(server, name).status_code == 200
        os.kill(decoder, signal.SIGSTOP)
        with ThreadPoolExecutor() as threads:
            answer = threads.submit(ask, server, name)
            time.sleep(1)
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: httpx.get(server.url + "/v2/health/ready").status_code == 503)
            refused(post(server, "/recordings", **FILES), 503, "draining")
            os.kill(decoder, signal.SIGCONT)
            assert answer.result().status_code == 200
        assert server.process.wait(30) == 0
    assert list(temp.iterdir()) == []


def test_whatever_may_be_sent_can_be_kept(tmp_path: Path) -> None:
    result = run_module("serve", "check", "--bundle", make_bundle(tmp_path), "--max-upload-mb", 50, "--max-kept-mb", 49)
    assert_refused(result, "max_kept_mb 49: one recording alone may have 50 MiB")
