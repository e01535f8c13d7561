"""Bodies that are packed on their way: unpacked within the limits, or refused for what they are."""

import gzip
import json
import zlib

import httpx
import numpy as np
import pytest

from benchmarks.support.wire import valid_request
from tests.support.requests import refused
from tests.support.server import RunningServer
from tests.support.uploads import FILES


def sent(server: RunningServer, packing: str, body: bytes, path: str = "/predict") -> httpx.Response:
    headers = {"Content-Encoding": packing, "Content-Type": valid_request(FILES).content_type.decode()}
    return httpx.post(server.url + path, content=body, headers=headers, timeout=60)


BODY = valid_request(FILES).body


@pytest.mark.parametrize(
    ("packing", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
    ],
)
def test_a_packed_form_is_read(server: RunningServer, packing: str, body: bytes) -> None:
    plain = httpx.post(server.url + "/predict", files=FILES, timeout=60).json()
    assert sent(server, packing, body).json()["predictions"] == plain["predictions"]


def test_large_bodies_come_whole(server: RunningServer) -> None:
    noise = np.random.default_rng(0).bytes(3 << 20) + bytes(4 << 20)  # more than one piece of either kind
    response = sent(server, "gzip", gzip.compress(noise, 1), "/v2/models/tiny/infer")
    assert "not JSON" in refused(response, 400, "malformed_tensors")
    padded = json.dumps({"ready": True}).encode() + b" " * (5 << 20)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    index = httpx.post(server.url + "/v2/repository/index", content=gzip.compress(padded), headers=headers)
    assert [entry["name"] for entry in index.json()] == ["tiny"]


@pytest.mark.parametrize("path", ["/predict", "/v2/models/tiny/infer"])
def test_what_they_unpack_to_is_limited(server: RunningServer, path: str) -> None:
    bomb = gzip.compress(BODY[: BODY.index(b"\r\n\r\n") + 4] + bytes(1 << 30))
    assert len(bomb) < 2 << 20
    assert "larger than 8 MiB" in refused(sent(server, "gzip", bomb, path), 413, "too_large")


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "compress"])
def test_other_packings_are_refused(server: RunningServer, packing: str) -> None:
    response = sent(server, packing, BODY)
    detail = refused(response, 415, "unknown_encoding")
    assert detail == f"the body is packed with {packing!r}; send it as it is, or packed with gzip or deflate"
    assert response.headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    "body", [BODY, b"", gzip.compress(BODY)[:-20], gzip.compress(BODY) + b"more", zlib.compress(BODY)]
)
def test_damage_is_named(server: RunningServer, body: bytes) -> None:
    detail = refused(sent(server, "gzip", body), 400, "malformed_request")
    assert detail.startswith("the body is not gzip, as Content-Encoding says, or not all of it: ")
