"""HEAD is answered as GET is, without the body."""

import http.client
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.server import RunningServer

PATHS = [
    *("/", "/docs", "/openapi.json", "/static/app.js", "/admin/status", "/admin/state", "/metrics"),
    *("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/stats", "/v2/models/tiny"),
    *("/v2/models/tiny/versions/1", "/v2/models/tiny/ready", "/v2/models/tiny/stats", "/v2/models/other", "/nowhere"),
]


def test_all_paths_are_here(server: RunningServer) -> None:
    paths = httpx.get(server.url + "/openapi.json").json()["paths"]
    asked = {path.format(name="tiny", version="1") for path, operations in paths.items() if "get" in operations}
    assert {path for path in asked if not path.endswith(("1/ready", "1/stats"))} <= set(PATHS)


@pytest.mark.parametrize("path", PATHS)
def test_head_is_answered_as_get(server: RunningServer, path: str) -> None:
    get, head = httpx.get(server.url + path), httpx.head(server.url + path)
    assert (head.status_code, head.headers["content-type"]) == (get.status_code, get.headers["content-type"])
    assert head.content == b""
    if path not in ("/metrics", "/admin/state") and get.is_success and "stats" not in path:  # whose numbers change
        assert head.headers["content-length"] == get.headers["content-length"]


def test_the_connection_goes_on_behind_it(server: RunningServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    for method, num_bytes in (("HEAD", 0), ("GET", len('{"live":true}')), ("HEAD", 0)):
        connection.request(method, "/v2/health/live")
        answer = connection.getresponse()
        assert answer.status == 200 and len(answer.read()) == num_bytes
    connection.close()


def test_what_takes_no_get_takes_no_head(server: RunningServer) -> None:
    assert httpx.head(server.url + "/predict").status_code == 405
    assert httpx.delete(server.url + "/v2/models").headers["Allow"] == "GET, HEAD"
