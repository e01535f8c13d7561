"""A WebSocket route that knows nothing of keys, limits and logs has them all the same: over a socket, from a server."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from serve.keys import add_key
from tests.support.requests import connect, metrics_of, post, refused
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES
from tests.support.waiting import wait_until

client = pytest.importorskip("websockets.sync.client")
exceptions = pytest.importorskip("websockets.exceptions")


@contextmanager
def echoing(tmp_path: Path, **settings: Any) -> Iterator[RunningServer]:
    bundle = make_bundle(tmp_path / "bundle")
    module = ("tests.support.websocket_service",)
    with running_server(bundle, module=module, log_format="json", num_decoders=1, **settings) as server:
        yield server


def opened(server: RunningServer, path: str = "/echo", key: str | None = None, **headers: str) -> Any:
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    return client.connect(server.url.replace("http", "ws", 1) + path, additional_headers=headers)


def refusal_of(server: RunningServer, *args: Any, **headers: Any) -> tuple[int, str]:
    """Return status and word of the problem that a handshake is answered with."""
    with pytest.raises(exceptions.InvalidStatus) as caught:
        opened(server, *args, **headers)
    response = caught.value.response
    problem = json.loads(response.body)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["request_id"] == response.headers["X-Request-ID"] and problem["status"] == response.status_code
    return problem["status"], problem["error"].split(":")[0]


def closed(connection: Any) -> tuple[int, str]:
    """Return code and reason with which the server closes a connection."""
    with pytest.raises(exceptions.ConnectionClosed) as caught:
        connection.recv(timeout=20)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def websockets_in(server: RunningServer) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    return [line for line in lines if line["logger"] == "serve.requests" and line["method"] == "WEBSOCKET"]


def test_only_who_has_a_key_gets_one_and_all_is_logged_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key, slow = add_key(file, "camera", None, admin=False), add_key(file, "visitor", 1, admin=False)
    with echoing(tmp_path, api_keys=file) as server:
        with opened(server, key=key, **{"X-Request-ID": "mine-1"}) as connection:
            assert connection.response.headers["X-Request-ID"] == "mine-1"
            connection.send("hello")
            assert connection.recv(timeout=20) == "hello"
        assert refusal_of(server) == refusal_of(server, key="rgbdm_guessed") == (401, "unknown_key")
        assert refusal_of(server, "/v2/health/live") == (401, "unknown_key")  # of that, no WebSocket is public
        assert refusal_of(server, key=key, Origin="https://evil.example") == (403, "foreign_origin")
        with opened(server, key=slow):
            assert refusal_of(server, key=slow) == (429, "rate_limit")
        wait_until(lambda: len(websockets_in(server)) == 7)
        lines = websockets_in(server)
        counted = httpx.get(server.url + "/metrics", headers={"Authorization": f"Bearer {key}"}).text
    assert lines[0].items() >= {"request_id": "mine-1", "path": "/echo", "status": 101, "key": "camera"}.items()
    assert [line.get("error") for line in lines[1:5]] == ["unknown_key"] * 3 + ["foreign_origin"]
    assert [line["status"] for line in lines[1:5]] == [401, 401, 401, 403]
    assert 'rgbd_motion_refusals_total{error="unknown_key"} 3.0' in counted
    assert key not in str(lines) and slow not in str(lines)


def test_without_keys_none_is_opened_under_a_foreign_name(tmp_path: Path) -> None:
    with echoing(tmp_path, host="0.0.0.0", allow_anonymous="true", allowed_hosts="lab.example") as server:
        local = replace(server, url=server.url.replace("0.0.0.0", "127.0.0.1"))
        for origin in ("http://evil.example", None):
            with pytest.raises(exceptions.InvalidStatus) as caught:
                client.connect("ws://evil.example/echo", sock=connect(local), origin=origin)
            assert json.loads(caught.value.response.body)["error"] == "foreign_host"
        with pytest.raises(exceptions.InvalidStatus, match="403"):
            client.connect("ws://lab.example/echo", sock=connect(local), origin="http://evil.example")
        for address, origin in ((f"{local.url}/echo", None), ("http://lab.example/echo", "http://lab.example")):
            with client.connect(address.replace("http", "ws", 1), sock=connect(local), origin=origin) as connection:
                connection.send("hello")
                assert connection.recv(timeout=20) == "hello"


def test_an_open_one_takes_a_place_and_may_stay_until_the_service_stops(tmp_path: Path) -> None:
    with echoing(tmp_path, max_requests=1, upload_s=1, drain_s=5) as server:
        with opened(server) as connection:
            assert refusal_of(server) == (429, "queue_full")
            refused(post(server, **FILES), 429, "queue_full")
            in_flight = metrics_of(server)["rgbd_motion_requests_in_flight",]
            time.sleep(1.5)  # longer than a head may take
            connection.send("still here")
            assert connection.recv(timeout=20) == "still here"
        wait_until(lambda: post(server, **FILES).status_code == 200)
        assert in_flight == 1
        with pytest.raises(exceptions.InvalidStatus, match="403"):  # a name that leads to 127.0.0.1
            client.connect("ws://evil.example/echo", sock=connect(server))
        with opened(server) as connection:
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: httpx.get(server.url + "/v2/health/ready").status_code == 503)
            assert refusal_of(server) == (503, "draining")
            connection.send("to the end")
            assert connection.recv(timeout=20) == "to the end"
            code, reason = closed(connection)
            assert code == 1013 and reason.startswith("draining: ")
        assert server.process.wait(30) == 0


def test_one_that_takes_its_time_to_end_hears_why_as_well(tmp_path: Path) -> None:
    with echoing(tmp_path, drain_s=1) as server, opened(server) as connection:
        connection.send("tidy up")
        server.process.send_signal(signal.SIGTERM)
        code, reason = closed(connection)
        assert code == 1013 and reason.startswith("draining: ")
        assert server.process.wait(30) == 0


def test_what_a_route_raises_is_what_the_client_hears(tmp_path: Path) -> None:
    with echoing(tmp_path, max_upload_mb=1) as server:
        assert refusal_of(server, "/echo?model=other") == (404, "unknown_model")
        with opened(server) as connection:
            connection.send("refuse")
            assert closed(connection) == (1008, "unusable_clip: nothing moves in it")
        with opened(server) as connection:
            connection.send("fail")
            code, reason = closed(connection)
            assert code == 1011 and reason.startswith("internal: ") and "counts" not in reason
        with opened(server) as connection:
            with suppress(exceptions.ConnectionClosed):  # the service may have closed before all is sent
                connection.send("x" * (2 << 20))
            assert closed(connection)[0] == 1009
        wait_until(lambda: len(websockets_in(server)) == 4)
        words = [line.get("error") for line in websockets_in(server)]
        counted = metrics_of(server)
        assert "it counts wrongly" in server.log.read_text()
    assert words == ["unknown_model", "unusable_clip", "internal", None]
    assert counted["rgbd_motion_refusals_total", "internal"] == 1
    assert counted["rgbd_motion_refusals_total", "unusable_clip"] == 1
