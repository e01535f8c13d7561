"""Files that go, decoders that die, clients that leave or never come to the point, while others are served."""

import shutil
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from benchmarks.support.wire import Form, encode, fault_of, valid_request
from tests.support.requests import connect, metrics_of, post, refused, upload
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES
from tests.support.waiting import wait_until


def decoders_of(server: RunningServer) -> list[psutil.Process]:
    decoders = []
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # it has just died
            decoders += [child] if "spawn_main" in " ".join(child.cmdline()) else []
    return decoders


def in_flight(server: RunningServer) -> float:
    return metrics_of(server)["rgbd_motion_requests_in_flight",]


def test_the_files_of_the_bundle_may_go(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    with running_server(bundle, num_decoders=1) as server:
        before = post(server, **FILES).json()["predictions"]
        shutil.rmtree(bundle)
        (decoder,) = decoders_of(server)
        decoder.kill()  # the next one starts without them
        wait_until(lambda: decoder.status() == psutil.STATUS_ZOMBIE)
        assert post(server, **FILES).json()["predictions"] == before
        assert httpx.get(server.url + "/v2/models/tiny/ready").status_code == 200
        index = httpx.post(server.url + "/v2/repository/index").json()
        assert [entry["state"] for entry in index] == ["READY"]
        answer = httpx.post(server.url + "/v2/repository/models/tiny/load")
        assert (answer.status_code, answer.json()["error"].split(":")[0]) == (400, "unusable_bundle")
        assert post(server, **FILES).json()["predictions"] == before


def test_every_request_of_a_burst_is_answered_while_decoders_die(tmp_path: Path) -> None:
    with (
        running_server(make_bundle(tmp_path), max_requests=16, num_decoders=2) as server,
        ThreadPoolExecutor(16) as threads,
    ):
        assert post(server, **FILES).status_code == 200
        for decoder in decoders_of(server):
            decoder.suspend()
        answers = [threads.submit(post, server, **FILES) for _ in range(16)]
        wait_until(lambda: in_flight(server) == 16)
        for _ in range(3):
            time.sleep(0.3)  # so that some of their successors are at work, and others just being started
            for decoder in decoders_of(server):
                decoder.kill()
        responses = [answer.result() for answer in answers]
        for response in responses:
            if response.status_code != 200:
                refused(response, 503, "decoder_killed")  # twice
        assert 200 in {response.status_code for response in responses}
        assert post(server, **FILES).status_code == 200


def leave(server: RunningServer, number: int) -> None:
    """Send half a request, or all of it, and go: at once, or a moment later."""
    connection = connect(server) if number % 2 else upload(server, 500_000)
    if number % 2:
        connection.sendall(valid_request(FILES).wire())
    time.sleep(0.01 * (number % 5))
    connection.close()


def test_clients_that_leave_cost_the_others_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    bundle = make_bundle(tmp_path / "bundle")
    with running_server(bundle, max_requests=40, num_decoders=2) as server, ThreadPoolExecutor(8) as threads:
        assert post(server, **FILES).status_code == 200
        before = set(folder.iterdir())
        leaving = [threads.submit(leave, server, number) for number in range(20)]
        staying = [threads.submit(post, server, **FILES) for _ in range(20)]
        assert [answer.result().status_code for answer in staying] == [200] * 20
        for gone in leaving:
            gone.result()
        wait_until(lambda: in_flight(server) == 0 and set(folder.iterdir()) == before)
        assert post(server, **FILES).status_code == 200


def test_heads_that_never_end_are_not_waited_for(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), upload_s=1) as server:
        with connect(server) as used:
            used.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"200 OK" in used.recv(1 << 16)
            assert 0.5 < seconds_until_closed(used) < 9
        with connect(server) as fresh:
            assert 0.5 < seconds_until_closed(fresh) < 9


def seconds_until_closed(connection: socket.socket) -> float:
    """Send a head byte by byte until the other end has enough of it, 10 s at most."""
    start = time.monotonic()
    connection.settimeout(0.1)
    connection.sendall(b"GET / HTTP/1.1\r\nHost: ")
    try:
        while (spent := time.monotonic() - start) < 10:
            connection.sendall(b"1")
            try:
                if not connection.recv(1 << 16):
                    return spent
            except TimeoutError:
                continue
    except ConnectionError:
        pass
    return time.monotonic() - start


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: [\r\n\r\n", b"403"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://[\r\n\r\n", b"403"),
        (
            b"POST /v2/models/tiny/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"
            b"Inference-Header-Content-Length: " + b"1" * 5000 + b"\r\n\r\n{}",
            b"400",
        ),
    ],
)
def test_heads_that_say_nonsense_are_refused(server: RunningServer, head: bytes, status: bytes) -> None:
    with connect(server) as connection:
        connection.sendall(head)
        answer = connection.recv(1 << 16)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("charset", ["utf-7", "unicode_escape", "punycode", "undefined"])
def test_names_in_any_encoding_are_answered(server: RunningServer, charset: str) -> None:
    body = encode(Form((("rgb", "+2AA-\\ud800", b"GIF89a"), ("depth", "depth", FILES["depth"]))))
    content_type = f"multipart/form-data; boundary=limit; charset={charset}"
    response = httpx.post(server.url + "/predict", content=body, headers={"Content-Type": content_type})
    assert response.status_code in (400, 415)
    assert fault_of(response) is None
