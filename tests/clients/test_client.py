"""The client against the real service, and its patience against a service that is busy."""

import json
import logging
import os
import socket
import sys
import time
import traceback
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from clients.client import Client
from clients.errors import BusyError, ClientError, InputError, RefusedError, UnexpectedAnswerError, UnreachableError
from clients.uploads import packed_upload
from rgbd.recording.videos.video import write_video
from tests.support.client_recording import color_frames, depth_frames, write_frames, write_recording
from tests.support.commands import assert_refused, run_module
from tests.support.doctored import doctored
from tests.support.scripted import OK, scripted
from tests.support.server import running_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle"))) as server:
        yield server.url


def test_the_answer_is_the_services_own(url: str, tmp_path: Path) -> None:
    rgb, depth = write_recording(tmp_path)
    with Client(url) as client:
        answer = client.predict(rgb, depth, top_k=2)
    with rgb.open("rb") as rgb_file, depth.open("rb") as depth_file:
        files = {"rgb": rgb_file, "depth": depth_file}
        body = httpx.post(f"{url}/predict", files=files, params={"top_k": 2}).raise_for_status().json()
    for changing in ("request_id", "timing_ms"):
        body.pop(changing)
    ours = json.loads(json.dumps(asdict(answer)))
    assert {name: ours[name] for name in body} == body
    assert answer.streams["rgb"][0].label == "red"
    assert answer.clip.rgb_frames == 12
    assert answer.timing_ms["total"] > 0


def test_a_long_clip_is_answered_part_by_part(url: str, tmp_path: Path) -> None:
    rgb, depth = write_recording(tmp_path)
    with Client(url) as client:
        answer = client.predict(rgb, depth, windows=2)
    assert [window.start for window in answer.windows] == [0, answer.windows[0].end]
    best = answer.predictions[0]
    scores = [score.score for window in answer.windows for score in window.predictions if score.index == best.index]
    assert best.score == pytest.approx(sum(scores) / 2)
    result = run_module("clients", "predict", "--rgb", rgb, "--depth", depth, "--url", url, "--windows", "2")
    assert [line.split()[3] for line in result.stdout.splitlines() if " to " in line] == ["s:", "s:"]


def test_a_service_with_keys_gets_the_clients(tmp_path: Path) -> None:
    rgb, depth = write_recording(tmp_path)
    key = run_module("serve.keys", "camera", "--file", tmp_path / "keys.json").stdout.strip()
    with running_server(make_bundle(tmp_path / "bundle"), api_keys=tmp_path / "keys.json") as server:
        with Client(server.url, api_key=key) as client:
            assert len(client.predict(rgb, depth).predictions) == 3
        with Client(server.url) as client, pytest.raises(RefusedError, match="send a key"):
            client.predict(rgb, depth)
        command = ("clients", "predict", "--rgb", rgb, "--depth", depth, "--url", server.url)
        assert run_module(*command, RGBD_MOTION_KEY=key).returncode == 0
        assert "401 unknown_key" in run_module(*command).stderr


def test_a_folder_of_frames_answers_as_its_array_does(url: str, tmp_path: Path) -> None:
    # PNG for both, so that nothing is lost; eleven frames, so that frame_10 must not come before frame_2.
    rgb = write_frames(tmp_path / "rgb", color_frames(11), ".png")
    depth = write_frames(tmp_path / "depth", depth_frames(11), ".png")
    video = tmp_path / "depth.mkv"
    write_video(video, depth_frames(11))
    with Client(url) as client:
        from_folders, from_video = client.predict(rgb, depth), client.predict(rgb, video)
    assert from_folders.clip.depth_frames == 11
    assert from_folders.predictions == from_video.predictions


def test_arrays_answer_as_their_files_do(url: str, tmp_path: Path) -> None:
    rgb, depth = np.stack(color_frames(11)), np.stack(depth_frames(11))
    files = (
        write_frames(tmp_path / "rgb", color_frames(11), ".png"),
        write_frames(tmp_path / "depth", depth_frames(11), ".png"),
    )
    backwards = np.asfortranarray(depth.astype(">u2"))  # as files of other machines and programs have it
    with Client(url) as client:
        of_files = client.predict(*files, fps=10, depth_fps=10, end_s=0.5)
        assert of_files.clip.aligned_by == "time"
        for arrays in ((rgb, depth), (rgb[..., ::-1][..., ::-1], backwards), (files[0], depth)):
            of_arrays = client.predict(*arrays, fps=10, depth_fps=10, end_s=0.5)
            assert (of_arrays.predictions, of_arrays.clip) == (of_files.predictions, of_files.clip)


@pytest.mark.parametrize(
    ("streams", "reason"),
    [
        ({"rgb": np.zeros((2, 4, 4, 3), np.float32)}, r"rgb: the array is float32 \[2, 4, 4, 3\]; give uint8 .*astype"),
        ({"rgb": np.zeros((4, 4, 3), np.uint8)}, r"rgb: .*\[4, 4, 3\]; give uint8 \[frames, height, width, 3\]"),
        ({"rgb": np.zeros((0, 4, 4, 3), np.uint8)}, "rgb: "),
        ({"depth": np.zeros((2, 4, 4), np.int32)}, r"depth: the array is int32 .* give uint16 .*metres"),
        ({"depth": np.zeros((2, 4, 4, 3), np.uint16)}, "depth: "),
        ({"rgb": "wave.mp4"}, r"rgb: 'wave.mp4' is neither a pathlib.Path nor an array"),
    ],
)
def test_arrays_that_are_no_stream_are_a_mistake(streams: dict[str, Any], reason: str) -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(InputError, match=reason):
        client.predict(**streams)


def test_arrays_without_numpy_are_a_mistake_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = np.zeros((2, 4, 4), np.uint16)
    monkeypatch.delitem(sys.modules, "clients.arrays", raising=False)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with Client() as client, pytest.raises(InputError, match=r"need numpy; pip install 'rgbd-motion\[client,arrays\]'"):
        client.predict(depth=frames)


def test_folders_are_sent_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", color_frames(11), ".jpg")
    (folder / "notes.txt").write_text("not a frame")
    (folder / ".hidden.jpg").write_bytes(b"not a frame")
    upload = packed_upload("rgb", folder)
    assert not isinstance(upload.content, Path)
    with zipfile.ZipFile(upload.content) as archive:
        assert archive.namelist() == [f"frame_{number}.jpg" for number in range(1, 12)]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
    assert upload.name == "clip.zip"


def test_the_depth_scale_reaches_the_service(url: str, tmp_path: Path) -> None:
    rgb, depth = write_recording(tmp_path)
    tenths = tmp_path / "tenths.mkv"
    write_video(tenths, [frame * 10 for frame in depth_frames(12)])
    with Client(url) as client:
        assert client.predict(rgb, tenths, depth_scale_mm=0.1).predictions == client.predict(rgb, depth).predictions
        with pytest.raises(RefusedError, match=r"at 0\.1 mm it would be .* m \(depth_scale_mm 0\.1\)"):
            client.predict(rgb, tenths)


def test_refusals_carry_what_the_service_said(url: str, tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    text = tmp_path / "notes.txt"
    text.write_text("not a recording")
    with Client(url) as client:
        with pytest.raises(RefusedError, match="depth") as missing:
            client.predict(rgb)
        with pytest.raises(RefusedError, match=r"notes\.txt") as unknown:
            client.predict(rgb, text)
    assert (missing.value.status, missing.value.code) == (400, "missing_stream")
    assert (unknown.value.status, unknown.value.code) == (415, "unknown_container")
    assert unknown.value.request_id


@pytest.mark.parametrize("name", ["missing.mp4", "empty"])
def test_what_cannot_be_sent_is_refused_before_anything_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with Client("http://127.0.0.1:9") as client, pytest.raises(InputError, match=name):
        client.predict(tmp_path / name)


def test_no_stream_and_no_address_are_mistakes(tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    with Client() as client, pytest.raises(InputError, match="no stream"):
        client.predict()
    with Client("somewhere") as client, pytest.raises(InputError, match="somewhere: is not an address"):
        client.predict(rgb)


def test_nobody_there() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(UnreachableError, match="is the service running"):
        client.check_ready()


def test_fields_that_are_not_known_or_not_there_are_no_reason_to_fail(url: str, tmp_path: Path) -> None:
    rgb, depth = write_recording(tmp_path)
    with rgb.open("rb") as rgb_file, depth.open("rb") as depth_file:
        files = {"rgb": rgb_file, "depth": depth_file}
        body = httpx.post(f"{url}/predict", files=files, params={"windows": 2}).raise_for_status().json()
    optional = ("streams", "windows", "timing_ms", "rgb_frames", "depth_frames", "duration_s")  # warnings are empty
    replies = [body, doctored(body), doctored(body, optional)]
    answers = ((200, {}, json.dumps(reply).encode()) for reply in replies)
    with scripted(*answers) as (address, _), Client(address) as client:
        plain, more, fewer = (client.predict(rgb) for _ in replies)
    assert more == plain
    assert (fewer.predictions, fewer.model) == (plain.predictions, plain.model)
    assert (fewer.streams, fewer.windows, fewer.warnings, fewer.timing_ms) == ({}, (), (), {})
    assert (fewer.clip.rgb_frames, fewer.clip.duration_s, fewer.clip.sampled) == (None, None, plain.clip.sampled)
    with scripted((200, {}, json.dumps(replies[2]).encode())) as (address, _):
        result = run_module("clients", "predict", "--rgb", rgb, "--url", address)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_busy_service_is_asked_again_with_the_same_files(tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    soon = format_datetime(datetime.now(UTC), usegmt=True)
    busy = [(429, {"Retry-After": "0.3"}, b"{}"), (503, {"Retry-After": soon}, b"<html>")]
    with scripted(*busy, OK) as (url, server), Client(url) as client:
        start = time.monotonic()
        assert client.predict(rgb).predictions[0].label == "wave"
        assert time.monotonic() - start >= 0.3
    assert [rgb.read_bytes() in body for body in server.bodies] == [True, True, True]


def test_patience_ends(tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    problem = {"detail": "5 requests are waiting", "error": "queue_full", "request_id": "r2"}
    busy = (429, {"Retry-After": "0", "Content-Type": "application/problem+json"}, json.dumps(problem).encode())
    long = (503, {"Retry-After": "3600"}, b"")
    with scripted(busy, busy, busy, OK) as (url, server), Client(url, num_retries=2) as client:
        with pytest.raises(BusyError, match="5 requests are waiting") as caught:
            client.predict(rgb)
        assert len(server.bodies) == 3
    assert (caught.value.code, caught.value.request_id) == ("queue_full", "r2")
    with scripted(long) as (url, _), Client(url) as client, pytest.raises(BusyError, match="503"):
        client.predict(rgb)


@pytest.mark.parametrize("body", [b"<html>a router's page</html>", b"[]", b'{"request_id": "r1"}'])
def test_another_program_on_the_port_is_noticed(tmp_path: Path, body: bytes) -> None:
    rgb, _ = write_recording(tmp_path)
    with scripted((200, {}, body)) as (url, _), Client(url) as client, pytest.raises(UnexpectedAnswerError):
        client.predict(rgb)


def test_silence_ends_with_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, timeout_s=0.2) as client, pytest.raises(UnreachableError, match="timeout"):
            client.check_ready()


KEY = "rgbdm_a-key-that-nobody-may-see"


def shown(error: BaseException, key: str) -> bool:
    """Return whether a key is in what is printed of an error, even where all variables of our functions are."""
    assert error.__traceback__ is not None
    said = traceback.TracebackException(
        type(error), error, error.__traceback__.tb_next, capture_locals=True
    )  # but for those of the test
    return any(key in line for line in said.format()) or key in repr(error)


@pytest.mark.parametrize("key", [f"{KEY}é", f"{KEY}\n", f" {KEY}", f"{KEY}\r\nX-Evil: 1", f"{KEY}\udc80"])
def test_what_is_no_key_is_a_mistake_and_is_not_printed(key: str) -> None:
    with pytest.raises(InputError, match="the key has characters that no key has") as caught:
        Client(api_key=key)
    assert not shown(caught.value, KEY)
    result = run_module("clients", "health", RGBD_MOTION_KEY=key.replace("\udc80", "é"))
    assert_refused(result, "the key has characters that no key has")
    assert KEY not in result.stderr + result.stdout


def test_a_key_is_never_printed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rgb, _ = write_recording(tmp_path)
    caplog.set_level(logging.DEBUG)
    problem = json.dumps({"detail": "send a key", "error": "unknown_key"}).encode()
    errors: list[ClientError] = []
    with scripted((401, {"Content-Type": "application/problem+json"}, problem), (200, {}, b"")) as (url, _):
        for address in (url, url, "http://127.0.0.1:9", "somewhere", "http://a..b"):
            with pytest.raises(ClientError) as caught, Client(address, api_key=KEY) as client:
                assert KEY not in repr(client) + str(client) + repr(vars(client))
                client.predict(rgb)
            errors.append(caught.value)
    assert [type(error).__name__ for error in errors] == [
        *("RefusedError", "UnexpectedAnswerError", "UnreachableError", "InputError", "InputError")
    ]
    assert not any(shown(error, KEY) for error in errors)
    assert KEY not in caplog.text


def test_a_password_in_an_address_is_not_printed() -> None:
    for address in ("http://me:secret@127.0.0.1:9", "ftp://me:secret@127.0.0.1"):
        result = run_module("clients", "health", "--url", address)
        assert "://***@127.0.0.1" in result.stderr and "secret" not in result.stderr


@pytest.mark.parametrize("timeout_s", ["-1", "0", "nan", "inf", "1e12"])
def test_a_timeout_that_makes_no_sense_is_a_mistake(timeout_s: str) -> None:
    assert_refused(run_module("clients", "health", f"--timeout-s={timeout_s}"), f"timeout_s {float(timeout_s):g}: ")
    with pytest.raises(InputError, match="timeout_s"):
        Client(timeout_s=float(timeout_s))


def test_fewer_retries_than_none_are_a_mistake() -> None:
    with pytest.raises(InputError, match="num_retries -1: "):
        Client(num_retries=-1)


@pytest.mark.parametrize("url", ["http://a..b", "http://xn--a:9", f"http://{'a' * 300}", "http://127.0.0.1:9/\udc80"])
def test_what_is_no_address_is_a_mistake(url: str) -> None:
    with pytest.raises(InputError, match="is not an address"), Client(url) as client:
        client.check_ready()


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTP_PROXY", "foo://me:secret@x"), ("ALL_PROXY", "nonsense://x"), ("SSL_CERT_FILE", "/nowhere")],
)
def test_an_environment_that_cannot_be_used_is_a_mistake(name: str, value: str) -> None:
    result = run_module("clients", "health", "--url", "https://127.0.0.1:9", **{name: value})
    assert_refused(result, "what the environment says of proxies or certificates cannot be used")
    assert "secret" not in result.stderr


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "pipe", "a\0b", "frames"])
def test_what_is_no_file_is_not_sent(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "frames" / "1.png").mkdir(parents=True)  # a folder without frames
    os.mkfifo(tmp_path / "frames" / "2.png")
    with Client("http://127.0.0.1:9") as client, pytest.raises(InputError):
        client.predict(tmp_path / name)
    if "\0" not in name:
        assert_refused(run_module("clients", "predict", "--rgb", tmp_path / name, "--url", "http://127.0.0.1:9"), name)


def test_a_file_that_cannot_be_read_to_its_end_is_a_mistake() -> None:
    with scripted(OK) as (url, _), Client(url) as client, pytest.raises(InputError, match="cannot be read"):
        client.predict(Path("/proc/self/mem"))


def test_old_frames_and_names_in_any_encoding_are_sent(tmp_path: Path) -> None:
    rgb = write_frames(tmp_path / "rgb", color_frames(3), ".png")
    frame = min(rgb.iterdir())
    os.utime(frame, (0, 0))
    frame.rename(rgb / "frame_\udc80.png")
    video = tmp_path / "wave\udc80.mp4"
    video.write_bytes(b"a recording")
    with scripted(OK, OK) as (url, server), Client(url) as client:
        client.predict(rgb)
        client.predict(video)
    assert rb"frame_\udc80.png" in server.bodies[0] and b"udc80.mp4" in server.bodies[1]


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"Content-Encoding": "gzip"}, b"no gzip"),
        (500, {"Content-Type": "application/json"}, b'["a list"]'),
        (500, {"Content-Type": "application/json"}, b"null"),
    ],
)
def test_nonsense_from_another_program_is_an_error_of_the_client(
    tmp_path: Path, answer: tuple[int, dict[str, str], bytes]
) -> None:
    rgb, _ = write_recording(tmp_path)
    with scripted(answer) as (url, _), Client(url) as client, pytest.raises(ClientError):
        client.predict(rgb)
