"""Nothing that is asked is passed over: a parameter or a part of a form that is not known is refused by its name."""

import json
from typing import Any

import httpx
import pytest

from tests.support.requests import post, refused
from tests.support.server import RunningServer
from tests.support.uploads import FILES


def malformed(response: httpx.Response) -> str:
    return refused(response, 400, "malformed_request")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("topk=3", "'topk': no parameter of this address is called so; did you mean ?top_k=?"),
        ("Windows=8", "'Windows': no parameter of this address is called so; did you mean ?windows=?"),
        ("depth_scale_mm=0.1", "did you mean depth_scale_mm in meta, a part of the form?"),
        ("Meta={}", "did you mean meta, a part of the form?"),
        ("xyzzy=1", "there are top_k, windows, people, accepted, model, version"),
        ("top_k=3&top_k=5", "'top_k': was given twice"),
    ],
)
def test_parameters_that_are_not_known(server: RunningServer, query: str, reason: str) -> None:
    assert reason in malformed(post(server, f"/predict?{query}", **FILES))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/explain?indexx=1"),
        ("POST", "/timeline?windows=8"),
        ("POST", "/preview?top_k=1"),
        ("POST", "/v2/models/tiny/infer?timeout=1"),
        ("POST", "/v2/models/tiny/versions/1/infer?timeout=1"),
        ("POST", "/v2/repository/index?ready=true"),
        ("GET", "/v2/models?name=tiny"),
        ("GET", "/v2/models/tiny?versions=1"),
        ("GET", "/admin/state?model=tiny"),
    ],
)
def test_no_address_passes_over_a_parameter(server: RunningServer, method: str, path: str) -> None:
    name = path.partition("?")[2].partition("=")[0]
    response = httpx.request(method, server.url + path)
    assert f"{name!r}: no parameter of this address is called so" in malformed(response)


def test_pages_and_probes_take_what_links_and_balancers_bring(server: RunningServer) -> None:
    paths = ("/?from=mail", "/docs?from=mail", "/static/app.js?v=2", "/v2/health/ready?verbose", "/metrics?name=x")
    for path in paths:
        assert httpx.get(server.url + path).status_code == 200


def sent(server: RunningServer, path: str = "/predict", **content: Any) -> str:
    return malformed(httpx.post(server.url + path, timeout=60, **content))


@pytest.mark.parametrize("path", ["/predict", "/timeline", "/explain", "/preview"])
def test_parts_that_are_not_known(server: RunningServer, path: str) -> None:
    in_meta = (
        "'depth_scale_mm': no part of the form is called so; did you mean depth_scale_mm in meta, a part of the form?"
    )
    assert in_meta in sent(server, path, files=FILES, data={"depth_scale_mm": "0.1"})
    assert "'Meta': no part of the form is called so; did you mean meta, a part of the form?" in sent(
        server, path, files=FILES, data={"Meta": "{}"}
    )
    assert "'color': no part of the form is called so; there are rgb, depth, recording, meta" in sent(
        server, path, files=FILES | {"color": b"x"}
    )
    assert "'Depth': no part of the form is called so; did you mean depth, a part of the form?" in sent(
        server, path, files={"rgb": FILES["rgb"], "Depth": FILES["depth"]}
    )
    assert "'depth_fps': no part" in sent(server, path, data={"depth_fps": "15"})  # a form without files


def test_a_parameter_does_not_belong_in_the_form(server: RunningServer) -> None:
    assert "'top_k': no part of the form is called so; did you mean ?top_k=?" in sent(
        server, files=FILES, data={"top_k": "3"}
    )
    assert "did you mean ?model=?" in sent(server, files=FILES, data={"meta": "{}", "model": "tiny"})


def test_parts_of_the_wrong_kind(server: RunningServer) -> None:
    meta = {"meta": ("meta.json", json.dumps({"fps": 30}))}
    for files in (FILES | meta, {"rgb": FILES["rgb"]} | meta):
        assert "meta: was sent as a file, and is a field; with curl: -F 'meta=<FILE'" in sent(server, files=files)
    assert "rgb: was sent as text, and is a file; with curl: -F rgb=@FILE" in sent(
        server, files={"depth": FILES["depth"]}, data={"rgb": "wave.mp4"}
    )
    twice = [("rgb", FILES["rgb"]), ("rgb", FILES["rgb"]), ("depth", FILES["depth"])]
    assert "rgb: was sent twice; the frames of a stream go into one zip" in sent(server, files=twice)


def test_forms_with_very_many_parts(server: RunningServer) -> None:
    frames = [("rgb", (f"{number}.png", b"x")) for number in range(40)]
    everything = (
        "the form takes rgb and depth, each one file, and recording and meta, fields; the frames of a stream go into "
        "one zip"
    )
    assert everything in sent(server, files=frames)
    assert everything in sent(server, files=FILES, data=dict.fromkeys(("fps", "start_s", "end_s", "top", "a"), "1"))
