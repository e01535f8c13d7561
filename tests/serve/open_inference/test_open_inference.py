"""Tensors in and out by the Open Inference Protocol, spoken by NVIDIA's own client."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray

from benchmarks.support.tiny_bundle import LABELS, SPEC, make_bundle
from export.bundle.folder import read_bundle
from export.runtimes.loading import load_runtime
from tests.support.requests import refused
from tests.support.server import RunningServer, running_server

Clips = dict[str, NDArray[np.uint8]]


@pytest.fixture
def client(server: RunningServer) -> Iterator[triton.InferenceServerClient]:
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    yield client
    client.close()


def clips(batch: int) -> Clips:
    rng = np.random.default_rng(batch)
    return {stream: rng.integers(0, 256, (batch, *SPEC.shape), np.uint8) for stream in ("rgb", "depth")}


def tensors(batch: Clips, is_binary: bool) -> list[triton.InferInput]:
    inputs = []
    for name, values in batch.items():
        tensor = triton.InferInput(name, list(values.shape), "UINT8")
        tensor.set_data_from_numpy(values, binary_data=is_binary)
        inputs.append(tensor)
    return inputs


def expected(folder: Path, batch: Clips) -> dict[str, NDArray[np.float32]]:
    return load_runtime(read_bundle(make_bundle(folder))).infer(batch)


def as_json(batch: Clips, **changes: Any) -> dict[str, Any]:
    """Return a request whose first tensor is changed."""
    inputs: list[dict[str, Any]] = [
        {"name": name, "shape": list(values.shape), "datatype": "UINT8", "data": values.ravel().tolist()}
        for name, values in batch.items()
    ]
    return {"inputs": [inputs[0] | changes, *inputs[1:]]}


def test_service_and_models_describe_themselves(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("tiny") and client.is_model_ready("tiny", "1")
    assert not client.is_model_ready("other") and not client.is_model_ready("tiny", "2")
    assert client.get_server_metadata()["extensions"][0] == "binary_tensor_data"
    metadata = client.get_model_metadata("tiny", "1")
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("tiny", ["1"], "onnxruntime_fp32")
    shapes = {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in metadata["inputs"]}
    assert shapes == {stream: ("UINT8", [-1, *SPEC.shape]) for stream in ("rgb", "depth")}
    heads = {tensor["name"]: tensor["shape"] for tensor in metadata["outputs"]}
    assert heads == {key: [-1, len(LABELS)] for key in ("logits", "logits_rgb", "logits_depth")}


def test_without_a_model_it_is_not_ready(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path)) as server, httpx.Client(base_url=server.url) as client:
        assert client.post("/v2/repository/models/tiny/unload").status_code == 200
        for answer in (client.get("/v2/health/ready"), client.post("/predict")):
            assert "no model is loaded" in refused(answer, 503, "no_model")
            assert answer.headers["Retry-After"] == "1"
        refused(client.get("/v2/models/tiny/ready"), 404, "unknown_model")
        assert client.get("/v2/health/live").status_code == 200
        assert client.post("/v2/repository/models/tiny/load").status_code == 200
        assert client.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("batch", [1, 3])
def test_tensors_are_answered_as_the_runtime_does(
    client: triton.InferenceServerClient, tmp_path: Path, is_binary: bool, batch: int
) -> None:
    wanted = [triton.InferRequestedOutput(name, binary_data=is_binary) for name in ("logits", "logits_depth")]
    result = client.infer("tiny", tensors(clips(batch), is_binary), outputs=wanted, request_id="mine")
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("mine", "tiny", "1")
    assert [output["name"] for output in response["outputs"]] == ["logits", "logits_depth"]
    outputs = expected(tmp_path, clips(batch))
    for name in ("logits", "logits_depth"):
        np.testing.assert_allclose(result.as_numpy(name), outputs[name], rtol=1e-6)


def test_all_outputs_come_when_none_is_named(client: triton.InferenceServerClient, tmp_path: Path) -> None:
    result = client.infer("tiny", tensors(clips(2), is_binary=True))
    for name, values in expected(tmp_path, clips(2)).items():
        np.testing.assert_allclose(result.as_numpy(name), values, rtol=1e-6)


def test_a_plain_program_sends_plain_json(server: RunningServer, tmp_path: Path) -> None:
    answer = httpx.post(server.url + "/v2/models/tiny/infer", json=as_json(clips(1))).json()
    (logits,) = [output for output in answer["outputs"] if output["name"] == "logits"]
    assert (logits["datatype"], logits["shape"]) == ("FP32", [1, 3])
    np.testing.assert_allclose(logits["data"], expected(tmp_path, clips(1))["logits"][0], rtol=1e-6)


def test_statistics_count_clips_and_batches(client: triton.InferenceServerClient) -> None:
    def counted() -> dict[str, Any]:
        (entry,) = client.get_inference_statistics("tiny")["model_stats"]
        return dict(entry)

    before = counted()
    client.infer("tiny", tensors(clips(3), is_binary=True))
    after = counted()
    assert after["inference_count"] == before["inference_count"] + 3
    assert after["execution_count"] > before["execution_count"]
    spans = after["inference_stats"]
    assert spans["success"]["count"] == after["inference_count"]
    assert spans["success"]["ns"] >= spans["compute_infer"]["ns"] > 0
    assert after["last_inference"] > 1.7e12
    assert sum(batch["compute_infer"]["count"] for batch in after["batch_stats"]) == after["execution_count"]
    assert client.get_inference_statistics()["model_stats"] == [after]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "infrared"}, "the model takes rgb and depth; given were infrared, depth"),
        ({"datatype": "FP32"}, "rgb: is FP32"),
        ({"shape": [1, 4, 32, 32]}, "the model takes UINT8 [-1, 4, 32, 32, 3]"),
        ({"shape": [0, *SPEC.shape], "data": []}, "send 1 to 8 clips, not 0"),
        ({"shape": [1000, *SPEC.shape]}, "send 1 to 8 clips, not 1000"),
        ({"shape": [2, *SPEC.shape]}, "must hold 24576 whole numbers"),
        ({"data": [300] * 12288}, "whole numbers from 0 to 255"),
        ({"data": [0.5] * 12288}, "whole numbers from 0 to 255"),
        ({"data": [[1], [2, 3]]}, "whole numbers from 0 to 255"),
        ({"data": None}, "whole numbers from 0 to 255"),
        ({"parameters": {"binary_data_size": 12288}}, "rgb: takes 12288 bytes"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(server: RunningServer, changes: dict[str, Any], reason: str) -> None:
    response = httpx.post(server.url + "/v2/models/tiny/infer", json=as_json(clips(1), **changes))
    assert response.status_code == 400
    assert response.json()["error"].startswith("malformed_tensors: ")
    assert reason in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "header", "reason"),
    [
        (b"no json", None, "the request is not JSON"),
        (b"{}", None, "inputs: Field required"),
        (b"[" * 100_000, None, "not JSON"),
        (b"{}", "3", "no length within the request"),
        (b"{}", "-1", "no length within the request"),
        (json.dumps(as_json(clips(1))).encode() + b"rest", str(len(json.dumps(as_json(clips(1))))), "belong to no"),
    ],
)
def test_bytes_that_are_no_request_are_refused(
    server: RunningServer, body: bytes, header: str | None, reason: str
) -> None:
    headers = {"Inference-Header-Content-Length": header} if header else {}
    response = httpx.post(server.url + "/v2/models/tiny/infer", content=body, headers=headers)
    assert response.status_code == 400
    assert reason in response.json()["detail"]


def test_the_client_hears_why(client: triton.InferenceServerClient) -> None:
    with pytest.raises(triton.InferenceServerException, match="there is no model 'other'; there are: tiny 1"):
        client.infer("other", tensors(clips(1), is_binary=True))
    two, one = clips(2), clips(1)
    with pytest.raises(triton.InferenceServerException, match="different numbers of clips"):
        client.infer("tiny", tensors({"rgb": two["rgb"], "depth": one["depth"]}, is_binary=True))
    with pytest.raises(triton.InferenceServerException, match="there is no output 'labels'"):
        client.infer("tiny", tensors(one, is_binary=True), outputs=[triton.InferRequestedOutput("labels")])


@pytest.mark.parametrize("is_binary", [True, False])
def test_classes_come_with_their_names_where_they_are_asked_for(
    client: triton.InferenceServerClient, tmp_path: Path, is_binary: bool
) -> None:
    wanted = [
        triton.InferRequestedOutput("logits", binary_data=is_binary, class_count=2),
        triton.InferRequestedOutput("logits_rgb", binary_data=is_binary, class_count=99),
        triton.InferRequestedOutput("logits_depth", binary_data=is_binary),
    ]
    result = client.infer("tiny", tensors(clips(2), is_binary=True), outputs=wanted)
    assert "classification" in client.get_server_metadata()["extensions"]
    outputs = expected(tmp_path, clips(2))
    assert [tensor["datatype"] for tensor in result.get_response()["outputs"]] == ["BYTES", "BYTES", "FP32"]
    for name, count in (("logits", 2), ("logits_rgb", len(LABELS))):
        named = result.as_numpy(name)
        assert named.shape == (2, count)
        for row, values in zip(named, outputs[name], strict=True):
            order = np.argsort(-values)[:count]
            said = [(entry.decode() if isinstance(entry, bytes) else entry).split(":") for entry in row]
            assert [(int(index), label) for _, index, label in said] == [(index, LABELS[index]) for index in order]
            assert [float(value) for value, *_ in said] == pytest.approx(values[order], abs=1e-5)
    np.testing.assert_allclose(result.as_numpy("logits_depth"), outputs["logits_depth"], rtol=1e-6)


def test_a_request_has_the_time_that_it_asks_for(client: triton.InferenceServerClient, server: RunningServer) -> None:
    assert client.infer("tiny", tensors(clips(1), is_binary=True), timeout=30_000_000)  # microseconds
    assert client.infer("tiny", tensors(clips(1), is_binary=True), timeout=0)  # the protocol's word for none
    late = httpx.post(server.url + "/v2/models/tiny/infer", json=as_json(clips(1)) | {"parameters": {"timeout": 1}})
    assert late.status_code in (503, 504), late.text  # refused before it is computed, or ended
    assert late.json()["error"].startswith(("overloaded: ", "deadline: "))


def test_the_id_comes_back(server: RunningServer) -> None:
    for name in ("mine", ""):
        answer = httpx.post(server.url + "/v2/models/tiny/infer", json=as_json(clips(1)) | {"id": name})
        assert answer.json()["id"] == name
    assert "id" not in httpx.post(server.url + "/v2/models/tiny/infer", json=as_json(clips(1))).json()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parameters": {"timeout": "soon"}}, "parameters.timeout: "),
        ({"parameters": {"timeout": -1}}, "parameters.timeout: "),
        ({"parameters": {"time_out": 1}}, "parameters.time_out: is not known here; did you mean timeout?"),
        (
            {"parameters": {"priority": 1}},
            "parameters.priority: is not known here; there are binary_data_output, timeout",
        ),
        (
            {"outputs": [{"name": "logits", "parameters": {"classification": -1}}]},
            "outputs.0.parameters.classification: ",
        ),
        (
            {"outputs": [{"name": "logits", "parameters": {"clasification": 2}}]},
            "did you mean classification?",
        ),
        (
            {"outputs": [{"name": "logits", "parameters": {"shared_memory_region": "a"}}]},
            "shared_memory_region: is not",
        ),
    ],
)
def test_parameters_are_not_passed_over(server: RunningServer, changes: dict[str, Any], reason: str) -> None:
    response = httpx.post(server.url + "/v2/models/tiny/infer", json=as_json(clips(1)) | changes)
    assert reason in refused(response, 400, "malformed_tensors")


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_requests_may_be_packed(client: triton.InferenceServerClient, tmp_path: Path, packing: str) -> None:
    for is_binary in (True, False):
        result = client.infer("tiny", tensors(clips(2), is_binary), request_compression_algorithm=packing)
        np.testing.assert_allclose(result.as_numpy("logits"), expected(tmp_path, clips(2))["logits"], rtol=1e-6)
