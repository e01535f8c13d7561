"""Keys, their limits, foreign pages, and what the service refuses to be started as."""

import json
import os
import select
import signal
import socket
import stat
from collections.abc import Iterator
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from serve.keys import add_key
from tests.support.commands import assert_refused, run_module
from tests.support.requests import connect, refused, request_at_work
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES
from tests.support.waiting import wait_until


def new_key(file: Path, name: str, *options: object) -> str:
    result = run_module("serve.keys", name, "--file", file, *options)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    return {
        "file": str(file),
        "plain": new_key(file, "camera"),
        "slow": new_key(file, "visitor", "--per-minute", 3),
        "admin": new_key(file, "operator", "--admin"),
    }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, str]) -> Iterator[RunningServer]:
    bundle = make_bundle(tmp_path_factory.mktemp("bundle"))
    with running_server(bundle, api_keys=keys["file"], host="0.0.0.0", cors_origins="https://a.example") as server:
        yield replace(server, url=server.url.replace("0.0.0.0", "127.0.0.1"))


def ask(server: RunningServer, key: str | None, path: str = "/predict", **headers: str) -> httpx.Response:
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    if path == "/predict":
        return httpx.post(server.url + path, files=FILES, headers=headers, timeout=60)
    method = "POST" if "repository" in path else "GET"
    return httpx.request(method, server.url + path, headers=headers)


def test_a_file_of_keys_holds_no_key(keys: dict[str, str]) -> None:
    file = Path(keys["file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(keys[name] in file.read_text() for name in ("plain", "slow", "admin"))
    assert_refused(run_module("serve.keys", "camera", "--file", file), "has a key 'camera' already")


def test_only_who_has_a_key_is_answered(guarded: RunningServer, keys: dict[str, str]) -> None:
    assert ask(guarded, keys["plain"]).status_code == 200
    for wrong in (None, "", "rgbdm_guessed", keys["plain"][:-1]):
        response = ask(guarded, wrong)
        refused(response, 401, "unknown_key")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    refused(httpx.get(guarded.url + "/metrics", headers={"Authorization": keys["plain"]}), 401, "unknown_key")
    for path in ("/v2/models", "/metrics", "/v2/models/tiny"):
        assert ask(guarded, None, path).status_code == 401
        assert ask(guarded, keys["plain"], path).status_code == 200
    for path in ("/", "/static/app.js", "/v2/health/live", "/v2/health/ready", "/openapi.json"):
        assert ask(guarded, None, path).status_code == 200


def test_models_are_the_operators(guarded: RunningServer, keys: dict[str, str]) -> None:
    path = "/v2/repository/models/tiny/load"
    assert "of camera may not" in ask(guarded, keys["plain"], path).json()["detail"]
    assert ask(guarded, keys["plain"], path).status_code == 403
    assert ask(guarded, keys["admin"], path).status_code == 200


def test_a_key_may_ask_so_often(guarded: RunningServer, keys: dict[str, str]) -> None:
    for _ in range(3):
        assert ask(guarded, keys["slow"], "/v2/models").status_code == 200
    response = ask(guarded, keys["slow"])
    assert "visitor may ask 3 times a minute" in refused(response, 429, "rate_limit")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert ask(guarded, keys["plain"]).status_code == 200


@pytest.mark.parametrize("direction", ["forward", "back"])
def test_a_key_may_ask_so_often_whatever_the_clock_is_set_to(tmp_path: Path, direction: str) -> None:
    key = add_key(tmp_path / "keys.json", "visitor", 3, admin=False)
    with running_server(make_bundle(tmp_path), broken=f"clock-{direction}", api_keys=tmp_path / "keys.json") as server:
        for _ in range(3):
            assert ask(server, key, "/v2/models").status_code == 200
        response = ask(server, key, "/v2/models")
    refused(response, 429, "rate_limit")
    assert 1 <= int(response.headers["Retry-After"]) <= 60


def test_a_refused_body_is_not_awaited(guarded: RunningServer) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1 << 16)

    with pytest.raises(httpx.HTTPError):  # the connection is closed while the client still sends
        raise_for_status(httpx.post(guarded.url + "/predict", content=endless(), timeout=20))


def begin(server: RunningServer, path: str, body: bytes = b"") -> socket.socket:
    """Begin an upload that announces a megabyte, and does not come to its end."""
    connection = connect(server)
    content_type = "application/octet-stream" if path.endswith("/infer") else "multipart/form-data; boundary=x"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: 1000000\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def error_on(connection: socket.socket) -> str:
    """Return the word of the refusal that comes on a connection."""
    response = HTTPResponse(connection)
    response.begin()
    return str(json.loads(response.read())["error"]).split(":")[0]


@pytest.mark.parametrize("path", ["/predict", "/preview", "/explain", "/v2/models/tiny/infer"])
def test_who_cannot_be_let_in_need_not_upload(server: RunningServer, path: str) -> None:
    unknown = path.replace("tiny", "other") if "tiny" in path else f"{path}?model=other"
    with begin(server, unknown) as connection:
        assert error_on(connection) == "unknown_model"


def test_nobody_uploads_to_a_full_or_a_stopping_service(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1, max_requests=1) as server:
        with request_at_work(server) as (decoder, _):
            for path in ("/predict", "/preview", "/explain", "/v2/models/tiny/infer"):
                with begin(server, path) as connection:
                    assert error_on(connection) == "queue_full"
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: httpx.get(server.url + "/v2/health/ready").status_code == 503)
            with begin(server, "/predict") as connection:
                assert error_on(connection) == "draining"
            os.kill(decoder, signal.SIGCONT)
        assert server.process.wait(30) == 0


def test_uploads_have_so_much_room_together(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), max_requests=2, max_upload_mb=1) as server:
        uploads = [begin(server, "/v2/models/tiny/infer", bytes(900_000)) for _ in range(3)]
        answered, _, _ = select.select(uploads, [], [], 10)
        assert [error_on(upload) for upload in answered] == ["too_many_uploads"]
        for upload in uploads:
            upload.close()
        wait_until(lambda: ask(server, None).status_code == 200)


def raise_for_status(response: httpx.Response) -> None:
    assert response.status_code == 401
    response.raise_for_status()


def test_pages_of_others_are_kept_out(server: RunningServer, guarded: RunningServer, keys: dict[str, str]) -> None:
    assert "https://evil.example" in refused(
        ask(server, None, "/v2/models", Origin="https://evil.example"), 403, "foreign_origin"
    )
    assert ask(server, None, "/v2/models", Origin=server.url).status_code == 200
    refused(ask(server, None, "/v2/models", Host="evil.example"), 403, "foreign_host")  # a name that leads to 127.0.0.1
    refused(ask(server, None, "/v2/models", Host="[::"), 403, "foreign_host")
    refused(ask(server, None, "/v2/models", Origin="http://[::"), 403, "foreign_origin")
    refused(ask(server, None, "/v2/models", Host="evil.example", Origin="http://evil.example"), 403, "foreign_host")
    assert ask(server, None, "/v2/models", Host="localhost:8000").status_code == 200
    refused(ask(guarded, keys["plain"], "/v2/models", Origin="https://evil.example"), 403, "foreign_origin")
    allowed = ask(guarded, keys["plain"], "/v2/models", Origin="https://a.example")
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Access-Control-Allow-Origin" not in ask(server, None, "/v2/models", Origin=server.url).headers


PATHS = (
    *("/", "/static/app.js", "/docs", "/openapi.json", "/metrics", "/v2", "/v2/health/live", "/v2/models"),
    *("/admin/status", "/admin/state", "/nowhere", "/predict", "/v2/repository/index"),
)


@pytest.fixture(scope="module")
def anonymous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    bundle = make_bundle(tmp_path_factory.mktemp("bundle"))
    names = "camera.example,Lab.example"
    with running_server(bundle, host="0.0.0.0", allow_anonymous="true", allowed_hosts=names) as server:
        yield replace(server, url=server.url.replace("0.0.0.0", "127.0.0.1"))


@pytest.mark.parametrize("path", PATHS)
def test_without_keys_nobody_is_answered_under_a_foreign_name(anonymous: RunningServer, path: str) -> None:
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "camera.example.evil.example"):
        # As a browser asks here for a page of evil.example, once that name leads to this service.
        detail = refused(ask(anonymous, None, path, Host=host, Origin=f"http://{host}"), 403, "foreign_host")
        assert f"--allowed-hosts {host.removesuffix(':8000')}" in detail
        refused(ask(anonymous, None, path, Host=host), 403, "foreign_host")


def test_without_keys_it_answers_to_addresses_and_to_the_names_that_it_was_given(anonymous: RunningServer) -> None:
    port = anonymous.url.rpartition(":")[2]
    for host in (
        "127.0.0.1",
        "localhost",
        "192.0.2.1",
        "[2001:db8::1]",
        "camera.example",
        "CAMERA.example",
        "lab.example",
    ):
        for named in (host, f"{host}:{port}"):
            assert ask(anonymous, None, "/v2/models", Host=named).status_code == 200
            assert ask(anonymous, None, "/v2/models", Host=named, Origin=f"http://{named}").status_code == 200
    refused(ask(anonymous, None, "/v2/models", Origin="http://evil.example"), 403, "foreign_origin")
    refused(
        ask(anonymous, None, "/v2/models", Host="camera.example", Origin="http://evil.example"), 403, "foreign_origin"
    )


def test_who_names_no_host_is_answered(anonymous: RunningServer, server: RunningServer) -> None:
    for running in (anonymous, server):  # as HAProxy asks whether it lives; browsers always name one
        with connect(running) as connection:
            connection.sendall(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        with connect(running) as connection:
            connection.sendall(b"GET /v2/health/live HTTP/1.0\r\nOrigin: http://evil.example\r\n\r\n")
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 403")


def test_a_service_for_this_machine_alone_may_have_names_too(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), allowed_hosts="lab.example") as server:
        assert ask(server, None, "/v2/models", Host="lab.example:80").status_code == 200
        assert ask(server, None, "/v2/models", Host="localhost").status_code == 200
        refused(ask(server, None, "/v2/models", Host="evil.example"), 403, "foreign_host")
        refused(ask(server, None, "/v2/models", Host="192.0.2.1"), 403, "foreign_host")


def test_with_keys_names_count_where_they_are_given(
    guarded: RunningServer, keys: dict[str, str], tmp_path: Path
) -> None:
    assert ask(guarded, keys["plain"], "/v2/models", Host="any.example").status_code == 200
    with running_server(make_bundle(tmp_path), api_keys=keys["file"], allowed_hosts="lab.example") as server:
        assert ask(server, keys["plain"], "/v2/models", Host="lab.example").status_code == 200
        refused(ask(server, keys["plain"], "/v2/models", Host="any.example"), 403, "foreign_host")


@pytest.mark.parametrize("name", ["https://lab.example", "lab.example:8000", "lab.example/", "", "*", "[::1"])
def test_what_is_no_host_name_is_refused(tmp_path: Path, name: str) -> None:
    result = run_module("serve", "check", "--bundle", make_bundle(tmp_path), f"--allowed-hosts={name},a.example")
    assert_refused(result, f"allowed_hosts: Value error, {name!r}: give names alone")


def test_every_answer_carries_safe_headers(server: RunningServer) -> None:
    for path in ("/", "/static/app.js", "/v2/models", "/nowhere"):
        headers = httpx.get(server.url + path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';") and "unsafe" not in policy


def test_beyond_this_machine_it_needs_keys(tmp_path: Path, keys: dict[str, str]) -> None:
    bundle = make_bundle(tmp_path / "bundle")

    def check(*options: object) -> None:
        result = run_module("serve", "check", "--bundle", bundle, "--port", 0, *options)
        assert result.returncode == 0, result.stderr
        assert all(keys[name] not in result.stderr for name in ("plain", "slow", "admin"))

    for host in ("0.0.0.0", "::", "192.0.2.1"):
        result = run_module("serve", "check", "--bundle", bundle, "--host", host)
        assert_refused(result, f"everybody who reaches {host} could use the service; give keys")
    check("--host", "0.0.0.0", "--allow-anonymous")
    check("--host", "0.0.0.0", "--api-keys", keys["file"])
    check("--host", "localhost")
    check("--host", "::1")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("keys", "Invalid JSON"),
        ('{"keys": []}', "has no key, so that nobody could be let in"),
        ('{"keys": [{"name": "a", "sha256": "short"}]}', "keys.0.sha256"),
        (json.dumps({"keys": [{"name": "a", "sha256": "0" * 64}] * 2}), "two keys are called 'a'"),
    ],
)
def test_a_wrong_file_of_keys_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    bundle, file = make_bundle(tmp_path / "bundle"), tmp_path / "keys.json"
    file.write_text(content)
    assert_refused(run_module("serve", "check", "--bundle", bundle, "--api-keys", file, "--port", 0), reason)
