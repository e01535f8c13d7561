"""The numbers that Prometheus reads follow what was asked and answered."""

import math
from pathlib import Path

import httpx

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from serve.errors import all_errors
from tests.support.requests import metrics_of, post
from tests.support.server import RunningServer, running_server
from tests.support.uploads import depth_frames, npz, rgb_frames


def infer(server: RunningServer, num_clips: int) -> httpx.Response:
    shape = [num_clips, *SPEC.shape]
    data = [0] * math.prod(shape)
    inputs = [{"name": name, "datatype": "UINT8", "shape": shape, "data": data} for name in ("rgb", "depth")]
    return httpx.post(f"{server.url}/v2/models/tiny/infer", json={"inputs": inputs})


def test_what_was_asked_and_answered_is_counted(tmp_path: Path) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
    with running_server(make_bundle(tmp_path), max_requests=7) as server:
        before = metrics_of(server)
        assert before["rgbd_motion_requests_in_flight",] == before["rgbd_motion_queue_clips",] == 0
        timing = post(server, **files).json()["timing_ms"]
        assert post(server, **files).status_code == 200
        assert infer(server, num_clips=3).status_code == 200
        assert post(server, rgb=files["rgb"]).status_code == 400
        assert httpx.get(server.url + "/nowhere").status_code == 404
        after = metrics_of(server)
    for stage in ("decode", "transform"):
        assert after["rgbd_motion_stage_seconds_count", "tiny", stage] == 2
    for stage in ("queue", "inference", "total"):
        assert after["rgbd_motion_stage_seconds_count", "tiny", stage] == 3
    assert after["rgbd_motion_stage_seconds_sum", "tiny", "total"] > timing["total"] / 1000
    assert after["rgbd_motion_batch_clips_count", "tiny"] == 3
    assert after["rgbd_motion_batch_clips_sum", "tiny"] == 5
    begun = {before["rgbd_motion_refusals_total", kind.word] for kind in all_errors()}
    assert begun == {0}  # Prometheus sees the first of a kind only where there was none before
    assert before["rgbd_motion_worker_failures_total", "network"] == 0
    assert (before["rgbd_motion_max_requests",], before["rgbd_motion_deadline_seconds",]) == (7, 60)
    assert after["rgbd_motion_refusals_total", "missing_stream"] == 1
    assert after["rgbd_motion_refusals_total", "not_found"] == 1
    (model,) = [name for name in after if name[0] == "rgbd_motion_model_info"]
    assert {"tiny", "onnxruntime", "fp32", "cpu"} <= set(model)
    assert not any(math.isnan(value) for value in after.values())
