"""A service under load, beside crashes and hangs, and on its way out."""

import asyncio
import io
import json
import os
import signal
import time
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from export.bundle.folder import describe_files, read_bundle, write_manifest
from tests.support.requests import decoder_of, post, refused, request_at_work, scores
from tests.support.saboteur import FAILURES
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES, depth_frames, npz
from tests.support.waiting import wait_until


def test_requests_beyond_the_limit_are_sent_away(tmp_path: Path) -> None:
    async def all_at_once(url: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60) as client:
            return await asyncio.gather(*(client.post(url, files=FILES) for _ in range(12)))

    with running_server(make_bundle(tmp_path), max_requests=2, num_decoders=1) as server:
        responses = asyncio.run(all_at_once(server.url + "/predict"))
        statuses = [response.status_code for response in responses]
        assert set(statuses) == {200, 429}
        full = responses[statuses.index(429)]
        refused(full, 429, "queue_full")
        assert full.headers["Retry-After"] == "1"
        assert len(scores(post(server, **FILES))) == 3  # and then there is room again


def test_clips_computed_together_or_on_several_devices_get_each_its_own_answer(tmp_path: Path) -> None:
    pictures = [np.full((4, 48, 64, 3), colour, np.uint8) for colour in np.diag([250, 250, 250])]

    async def all_at_once(url: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60) as client:
            uploads = [{"rgb": npz(list(picture))} for picture in pictures * 4]
            return await asyncio.gather(*(client.post(url, files=files) for files in uploads))

    with running_server(make_bundle(tmp_path, "rgb"), num_decoders=2, device="cpu:0,cpu:1") as server:
        responses = asyncio.run(all_at_once(server.url + "/predict"))
        assert responses[0].json()["model"]["device"] == "cpu:0,cpu:1"
    assert [response.json()["predictions"][0]["label"] for response in responses] == ["red", "green", "blue"] * 4


def test_a_decoder_that_crashes_costs_one_request(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1) as server:
        with request_at_work(server) as (decoder, answer):
            os.kill(decoder, signal.SIGSEGV)
            os.kill(decoder, signal.SIGCONT)
            refused(answer.result(), 422, "decoder_crashed")
        assert post(server, **FILES).status_code == 200


def test_a_decoder_that_is_killed_costs_no_request(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1) as server:
        with request_at_work(server) as (decoder, answer):
            os.kill(decoder, signal.SIGKILL)
            assert answer.result().status_code == 200
        os.kill(decoder_of(server), signal.SIGKILL)  # idle
        assert post(server, **FILES).status_code == 200


def test_a_decoder_that_hangs_is_replaced_at_the_deadline(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1, deadline_s=5) as server:
        with request_at_work(server) as (_, answer):
            assert "no answer within 5 s" in refused(answer.result(), 504, "deadline")
        assert post(server, **FILES).status_code == 200


def test_a_client_says_how_long_it_waits(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1, deadline_s=8) as server:
        for text in ("soon", "-1", "nan", "inf"):
            answer = httpx.post(server.url + "/predict", files=FILES, headers={"X-Request-Timeout": text})
            assert "X-Request-Timeout" in refused(answer, 400, "malformed_timeout")
        assert httpx.post(server.url + "/predict", files=FILES, headers={"X-Request-Timeout": "60"}).status_code == 200
        answer = httpx.post(server.url + "/predict", files=FILES, headers={"X-Request-Timeout": "0.000001"})
        assert "are allowed" in refused(answer, 503, "overloaded")  # the network takes longer, as was measured by now
        assert answer.headers["Retry-After"] == "1"
        with request_at_work(server):  # the only decoder hangs
            answer = httpx.post(server.url + "/predict", files=FILES, headers={"X-Request-Timeout": "0.5"})
            assert "no answer within 0.5 s" in refused(answer, 504, "deadline")


def test_a_client_that_goes_away_makes_room(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1, max_requests=1) as server:
        assert post(server, **FILES).status_code == 200
        os.kill(decoder_of(server), signal.SIGSTOP)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(server.url + "/predict", files=FILES, timeout=1)
        wait_until(lambda: post(server, **FILES).status_code == 200)  # by a new decoder


def test_a_decoder_has_little_memory(tmp_path: Path) -> None:
    images = np.zeros((55, 2000, 2000, 3), np.uint8, order="F")  # of this order, an array is read as a whole
    images[:, :, :40] = np.random.default_rng(0).integers(0, 256, (55, 2000, 40, 3))  # or it is taken for a bomb
    large = io.BytesIO()
    np.savez_compressed(large, images)
    with running_server(make_bundle(tmp_path), decoder_memory_mb=1024) as server:
        detail = refused(post(server, rgb=large.getvalue(), depth=npz(depth_frames())), 413, "too_large")
        assert "more memory" in detail


def test_told_to_stop_it_answers_what_is_at_work(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1) as server:
        with request_at_work(server) as (decoder, answer):
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: httpx.get(server.url + "/v2/health/ready").status_code == 503)
            late = post(server, **FILES)
            refused(late, 503, "draining")
            assert late.headers["Retry-After"] == "1"
            assert httpx.get(server.url + "/v2/health/live").status_code == 200
            os.kill(decoder, signal.SIGCONT)
            assert len(scores(answer.result())) == 3
        assert server.process.wait(30) == 0


def test_told_to_stop_it_says_so_to_what_will_not_be_ready(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1, drain_s=1) as server:
        with request_at_work(server) as (_, answer):
            told = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert "had to stop" in refused(answer.result(), 504, "deadline")
            assert 0.5 < time.monotonic() - told < 8
        assert server.process.wait(30) == 0
        assert "Traceback" not in server.log.read_text()


def test_told_twice_it_drops_what_is_at_work(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), num_decoders=1) as server, request_at_work(server) as (_, answer):
        server.process.send_signal(signal.SIGINT)
        wait_until(lambda: httpx.get(server.url + "/v2/health/ready").status_code == 503)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
        assert answer.exception() is not None or answer.result().status_code == 500


def test_a_failure_of_the_network_is_answered_and_survived(tmp_path: Path) -> None:
    bundle = bundle_that_fails_on_bright_clips(tmp_path)
    bright, dark = (npz([np.full((48, 64, 3), value, np.uint8)] * 4) for value in (200, 0))
    with running_server(bundle) as server:
        detail = refused(post(server, rgb=bright), 500, "internal")
        assert "log" in detail
        assert post(server, rgb=dark).status_code == 200


def test_no_failure_of_a_runtime_is_taken_for_the_users_or_ends_the_service(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), broken="runtimes", deadline_s=30, log_format="json") as server:
        for _ in [*FAILURES, "NaN"]:
            refused(post(server, **FILES), 500, "internal")
        assert post(server, **FILES).status_code == 200
        assert httpx.get(server.url + "/v2/health/ready").status_code == 200
        assert failed_clips(server) == len(FAILURES) + 1
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    reasons = [line["exc_info"] for line in lines if "1 clips of tiny 1 could not be computed" in line["message"]]
    for failure, reason in zip(FAILURES, reasons, strict=False):
        assert type(failure).__name__ in reason
    assert "not all finite" in reasons[-1]


def test_an_answer_without_rows_fails_its_request_alone(tmp_path: Path) -> None:
    bright, dark = (npz([np.full((48, 64, 3), value, np.uint8)] * 4) for value in (200, 0))
    with running_server(bundle_without_rows_for_bright_clips(tmp_path), deadline_s=10, log_format="json") as server:
        refused(post(server, rgb=bright), 500, "internal")
        assert post(server, rgb=dark).status_code == 200
        assert httpx.get(server.url + "/v2/health/ready").status_code == 200
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (failure,) = [line for line in lines if "1 clips of tiny 1 could not be computed" in line["message"]]
    assert failure["level"] == "ERROR" and "gave logits as float32 [0, 3] instead of [1, 3]" in failure["exc_info"]


def test_of_a_request_that_failed_nothing_more_is_computed(tmp_path: Path) -> None:
    bundle = bundle_that_fails_on_bright_clips(tmp_path)
    bright, dark = (npz([np.full((48, 64, 3), value, np.uint8)] * 32) for value in (200, 0))
    shape = [8, *SPEC.shape]
    tensor = {"name": "rgb", "datatype": "UINT8", "shape": shape, "data": np.full(shape, 200).ravel().tolist()}
    with running_server(bundle, max_batch=1, num_decoders=2) as server:
        refused(post(server, "/predict?windows=16", rgb=bright), 500, "internal")
        assert post(server, rgb=dark).status_code == 200  # behind whatever still waits
        windows = failed_clips(server)
        assert 1 <= windows <= 8  # some of this quick network had begun before the first failure was heard of
        refused(httpx.post(f"{server.url}/v2/models/tiny/infer", json={"inputs": [tensor]}), 500, "internal")
        assert post(server, rgb=dark).status_code == 200
        assert 1 <= failed_clips(server) - windows <= 6


def failed_clips(server: RunningServer) -> int:
    (stats,) = httpx.get(server.url + "/v2/models/tiny/stats").json()["model_stats"]
    return int(stats["inference_stats"]["fail"]["count"])


def bundle_that_fails_on_bright_clips(folder: Path) -> Path:
    """Return a bundle whose graph takes an element of a row of one, by the darkest pixel."""
    first = helper.make_tensor("first", TensorProto.INT64, [1, 1], [0])
    nodes = [
        helper.make_node("Gather", ["first", "number"], ["zero"], axis=1),
        helper.make_node("Cast", ["zero"], ["nothing"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["scores", "nothing"], ["logits"]),
    ]
    return bundle_by_the_darkest_pixel(folder, [first], nodes)


def bundle_without_rows_for_bright_clips(folder: Path) -> Path:
    """Return a bundle whose graph leaves out as many of its last rows as the darkest pixel says."""
    nodes = [
        helper.make_node("Neg", ["number"], ["fewer"]),
        helper.make_node("Add", ["many", "fewer"], ["end"]),
        helper.make_node("Unsqueeze", ["end", "first"], ["ends"]),
        helper.make_node("Slice", ["scores", "first", "ends"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        helper.make_tensor("many", TensorProto.INT64, [], [8]),
    ]
    return bundle_by_the_darkest_pixel(folder, constants, nodes)


def bundle_by_the_darkest_pixel(folder: Path, constants: list[onnx.TensorProto], nodes: list[onnx.NodeProto]) -> Path:
    """Return a bundle whose `logits` are what the nodes make of `scores` and a sixteenth of that pixel: `number`."""
    manifest = read_bundle(make_bundle(folder, "rgb")).manifest
    path = folder / "model.onnx"
    model = onnx.load(str(path))
    model.graph.node[-1].output[0] = "scores"
    model.graph.initializer.extend(constants)
    model.graph.node.extend(
        [
            helper.make_node("ReduceMin", ["rgb_float"], ["darkest"], keepdims=0),
            helper.make_node("Mul", ["darkest", "scale"], ["sixteenth"]),
            helper.make_node("Cast", ["sixteenth"], ["number"], to=TensorProto.INT64),
            *nodes,
        ]
    )
    onnx.save(model, str(path))
    write_manifest(folder, manifest.model_copy(update={"files": describe_files(folder)}))
    return folder
