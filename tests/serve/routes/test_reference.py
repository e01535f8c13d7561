"""The reference of all addresses: it names the keys that they need, and its viewer comes from the service itself."""

import re
from pathlib import Path
from urllib.parse import urljoin

import httpx

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.commands import run_module
from tests.support.server import RunningServer, running_server


def test_the_viewer_comes_from_the_service(server: RunningServer) -> None:
    page = httpx.get(server.url + "/docs")
    assert "http" not in re.sub(r"<!--.*?-->", "", page.text).replace("http-equiv", "")
    policy = page.headers["Content-Security-Policy"]
    assert "http" not in policy and "script-src 'self' 'unsafe-inline'" in policy
    linked = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    assert len(linked) == 3  # script, style and icon
    for address in (*linked, "openapi.json"):
        answer = httpx.get(urljoin(str(page.url), address))
        assert answer.status_code == 200 and len(answer.content) > 200, address
    assert "unsafe-inline" not in httpx.get(server.url + "/").headers["Content-Security-Policy"]
    assert httpx.get(server.url + "/redoc").status_code == 404


def test_it_names_the_keys_that_are_needed(server: RunningServer, tmp_path: Path) -> None:
    without = httpx.get(server.url + "/openapi.json").json()
    assert "securitySchemes" not in without["components"] and "security" not in str(without["paths"]["/predict"].keys())
    keys = tmp_path / "keys.json"
    key = run_module("serve.keys", "camera", "--file", keys).stdout.strip()
    with running_server(make_bundle(tmp_path / "bundle"), api_keys=keys) as guarded:
        document = httpx.get(guarded.url + "/openapi.json").json()
        assert document["components"]["securitySchemes"] == {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "description": "a key of this service, which python -m serve.keys made",
            }
        }
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                address = guarded.url + path.format(name="tiny", version="1", recording="none")
                answer = httpx.request(method, address)
                needs_key = operation["security"] == [{"key": []}]
                assert needs_key == (answer.status_code == 401), (method, path)
                assert needs_key or operation["security"] == []
        assert httpx.get(guarded.url + "/v2/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200
