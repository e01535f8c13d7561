"""What the service tells its operator: a line a request, traces, and its state."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.commands import run_module
from tests.support.requests import refused
from tests.support.server import RunningServer, running_server
from tests.support.uploads import depth_frames, npz, rgb_frames
from tests.support.waiting import wait_until

FILES = {"rgb": ("secret-name.npz", npz(rgb_frames())), "depth": ("secret-name.npz", npz(depth_frames()))}
TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "X-Request-ID": "mine-1"}


def requests_in(server: RunningServer) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    return [line for line in lines if line["logger"] == "serve.requests"]


def test_each_request_is_a_line_of_json_without_media_or_keys(tmp_path: Path) -> None:
    key = run_module("serve.keys", "camera", "--file", tmp_path / "keys.json").stdout.strip()
    headers = TRACED | {"Authorization": f"Bearer {key}"}
    bundle = make_bundle(tmp_path / "bundle")
    with running_server(bundle, log_format="json", api_keys=tmp_path / "keys.json") as server:
        answer = httpx.post(server.url + "/predict", files=FILES, headers=headers, timeout=60)
        assert answer.headers["traceparent"].split("-")[1] == TRACE_ID
        refused(httpx.post(server.url + "/predict", files=FILES), 401, "unknown_key")
        assert httpx.get(server.url + "/v2/health/live").status_code == 200
        wait_until(lambda: len(requests_in(server)) == 2)
        answered, unknown = requests_in(server)
        log = server.log.read_text()
    assert (
        answered.items()
        >= {
            "level": "INFO",
            "request_id": "mine-1",
            "trace_id": TRACE_ID,
            "method": "POST",
            "path": "/predict",
            "status": 200,
            "key": "camera",
        }.items()
    )
    assert answered["took_ms"] > 0
    assert unknown["error"] == "unknown_key" and unknown["status"] == 401 and "trace_id" not in unknown
    assert key not in log and "secret-name" not in log


def test_a_failure_is_logged_under_its_request(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    with running_server(bundle, log_format="json", max_requests=1) as server:
        missing = httpx.get(server.url + "/no%0Awhere", headers={"X-Request-ID": "mine-2"})
        refused(missing, 404, "not_found")
        wait_until(lambda: len(requests_in(server)) == 1)
        assert requests_in(server)[0]["path"] == "/no%0Awhere"
        assert requests_in(server)[0].items() >= {"request_id": "mine-2", "status": 404, "error": "not_found"}.items()


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """Yield the address of an OpenTelemetry collector, and the spans that it got so far."""
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest()
            request.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_spans:
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


def test_traces_reach_a_collector(tmp_path: Path) -> None:
    with collector() as (endpoint, spans):
        with running_server(make_bundle(tmp_path), otlp_endpoint=endpoint) as server:
            assert httpx.post(server.url + "/predict", files=FILES, headers=TRACED, timeout=60).status_code == 200
        wait_until(lambda: len(spans) >= 3)  # what is left when the service ends is sent then
    named = {span.name: span for span in spans}
    by_id = {span.span_id: span for span in spans}
    request = named["POST /predict"]
    assert request.trace_id.hex() == TRACE_ID and request.parent_span_id.hex() == PARENT_ID
    for name in ("decode", "infer"):
        span = named[name]
        while span.parent_span_id in by_id:
            span = by_id[span.parent_span_id]
        assert span is request
    assert request.start_time_unix_nano < named["decode"].start_time_unix_nano < named["infer"].start_time_unix_nano


def test_the_operator_sees_how_it_does(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), max_frames=60) as server:
        assert httpx.post(server.url + "/predict", files=FILES, timeout=60).status_code == 200
        refused(httpx.post(server.url + "/predict"), 400, "missing_stream")
        assert httpx.post(server.url + "/v2/repository/models/tiny/unload").status_code == 200
        unloaded = httpx.get(server.url + "/admin/state").json()["models"]
        assert httpx.post(server.url + "/v2/repository/models/tiny/load").status_code == 200
        assert httpx.post(server.url + "/predict", files=FILES, timeout=60).status_code == 200
        state = httpx.get(server.url + "/admin/state").json()
        assert "text/html" in httpx.get(server.url + "/admin/status").headers["content-type"]
    assert unloaded[0]["state"] == "UNAVAILABLE" and unloaded[0]["clips"] is None
    assert state["refusals"] == {"missing_stream": 1}
    assert state["settings"]["max_frames"] == "60"
    assert state["uptime_s"] > 0 and state["memory_mb"] > 10 and state["in_flight"] == 0 and not state["draining"]
    (model,) = state["models"]
    assert (model["name"], model["state"], model["runtime"]) == ("tiny", "READY", "onnxruntime")
    assert (model["clips"], model["batches"]) == (1, 1) and model["mean_ms"] > 0


def test_strangers_do_not_operate_it(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), host="0.0.0.0", allow_anonymous="true") as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(url + "/v2/models").status_code == 200
        refused(httpx.get(url + "/admin/state"), 403, "not_admin")
        assert httpx.post(url + "/v2/repository/models/tiny/unload").status_code == 403
