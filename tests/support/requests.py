"""Requests to a running server, and what must be true of its answers."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.support.server import RunningServer
from tests.support.uploads import FILES


def post(server: RunningServer, path: str = "/predict", meta: object = None, **files: bytes) -> httpx.Response:
    data = {"meta": json.dumps(meta)} if meta is not None else {}
    return httpx.post(server.url + path, files=files, data=data, timeout=60)


def scores(response: httpx.Response) -> list[float]:
    assert response.status_code == 200, response.text
    return [p["score"] for p in sorted(response.json()["predictions"], key=lambda p: p["index"])]


def refused(response: httpx.Response, status: int, error: str) -> str:
    """Return the detail of a problem after checking all else of it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    is_protocol = response.request.url.path.startswith("/v2/")
    assert problem["error"] == (f"{error}: {problem['detail']}" if is_protocol else error)
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert "/tmp" not in problem["detail"]
    return str(problem["detail"])


def metrics_of(server: RunningServer) -> dict[tuple[str, ...], float]:
    """Return every value by its name and the values of its labels."""
    response = httpx.get(server.url + "/metrics", timeout=60)
    assert response.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(response.text)
    return {(item.name, *item.labels.values()): item.value for family in families for item in family.samples}


def connect(server: RunningServer) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def upload(server: RunningServer, num_bytes: int) -> socket.socket:
    """Begin an upload that announces a megabyte."""
    connection = connect(server)
    head = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    part = '--x\r\nContent-Disposition: form-data; name="rgb"; filename="a.mp4"\r\n\r\n'
    connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n{part}".encode() + bytes(num_bytes))
    return connection


def decoder_of(server: RunningServer) -> int:
    """Return the process id of the server's only decoder."""
    for child in psutil.Process(server.process.pid).children():
        with suppress(psutil.NoSuchProcess):
            if any("spawn_main" in word for word in child.cmdline()):
                return child.pid
    raise AssertionError("the server has no decoder")


@contextmanager
def request_at_work(server: RunningServer) -> Iterator[tuple[int, Future[httpx.Response]]]:
    """Yield the decoder, stopped in the middle of a request, and the answer to come."""
    assert post(server, **FILES).status_code == 200  # from here on the decoder is at its post
    decoder = decoder_of(server)
    os.kill(decoder, signal.SIGSTOP)
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(post, server, **FILES)
        time.sleep(1)  # longer than a local upload takes
        yield decoder, answer
