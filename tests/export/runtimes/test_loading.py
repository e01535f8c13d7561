"""What is loaded of a bundle, and that nothing is served which answers something else than PyTorch did."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from export.bundle.folder import Bundle, describe_files, read_bundle, write_manifest
from export.bundle.manifest import Artifact, Speed
from export.runtimes.loading import load_runtime
from export.runtimes.openvino import OpenVinoRuntime
from export.verification.first_difference import first_difference
from rgbd.errors import UserError
from tests.support.commands import assert_refused, run_module


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle with a right artifact, and a faster one whose scores are wrong."""
    folder = make_bundle(tmp_path / "bundle", "rgb")
    manifest = read_bundle(folder).manifest
    graph = onnx.load(folder / "model.onnx")
    for constant in graph.graph.initializer:
        if constant.name == "scale":
            constant.CopyFrom(numpy_helper.from_array(np.float32(-1 / 16), "scale"))
    onnx.save(graph, folder / "wrong.onnx")
    right, wrong = ({"cpu": Speed(latency_ms=ms, machine="here")} for ms in (2.0, 1.0))
    artifacts = (
        Artifact(runtime="onnxruntime", precision="fp32", path="model.onnx", speeds=right),
        Artifact(runtime="openvino", precision="fp32", path="wrong.onnx", speeds=wrong),
    )
    write_manifest(folder, manifest.model_copy(update={"files": describe_files(folder), "artifacts": artifacts}))
    return read_bundle(folder)


def test_what_answers_otherwise_here_is_left_out_aloud(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    runtime = load_runtime(bundle)
    assert runtime.info.name == "onnxruntime"
    assert "openvino-fp32 is left out: its scores of a known clip differ from PyTorch's" in caplog.text
    with pytest.raises(UserError, match="openvino-fp32 cannot be trusted here: its scores of a known clip differ"):
        load_runtime(bundle, name="openvino-fp32")


def test_what_its_runtime_refuses_is_left_out_aloud(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    (bundle.folder / "wrong.onnx").write_bytes(b"of a version to come")
    assert load_runtime(bundle).info.name == "onnxruntime"
    assert "openvino-fp32 is left out: " in caplog.text and "cannot load it" in caplog.text
    (bundle.folder / "model.onnx").write_bytes(b"of a version to come")
    with pytest.raises(UserError, match=r"nothing in it runs on 'cpu' here \(.*ONNX Runtime [\d.]+ cannot load it"):
        load_runtime(bundle)


def test_what_breaks_when_it_runs_is_left_out_aloud(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    graph = onnx.load(bundle.folder / "model.onnx")
    graph.graph.initializer.append(numpy_helper.from_array(np.array([7, 3]), "seven_clips"))
    graph.graph.node.insert(2, onnx.helper.make_node("Reshape", ["rgb_mean", "seven_clips"], ["reshaped"]))
    graph.graph.node[3].input[0] = "reshaped"  # what one clip cannot be, which only shows when it runs
    onnx.save(graph, bundle.folder / "wrong.onnx")
    assert load_runtime(bundle).info.name == "onnxruntime"
    assert "openvino-fp32 is left out: it cannot run a known clip" in caplog.text


@pytest.mark.parametrize(
    ("operator", "constant", "reason"),
    [
        ("Reshape", [1, 3], "it cannot run 4 known clips at a time, which a smaller max_batch would not ask for"),
        ("ReduceMax", [0], r"it answers 4 known clips with scores of shape \(1, 3\)"),
    ],
)
def test_what_cannot_run_the_largest_batch_is_left_out_aloud(
    operator: str, constant: list[int], reason: str, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    graph = onnx.load(bundle.folder / "model.onnx")
    graph.graph.initializer.append(numpy_helper.from_array(np.array(constant), "constant"))
    graph.graph.node.insert(2, onnx.helper.make_node(operator, ["rgb_mean", "constant"], ["single"]))
    graph.graph.node[3].input[0] = "single"  # which is right for one clip
    onnx.save(graph, bundle.folder / "wrong.onnx")
    assert load_runtime(bundle).info.name == "openvino"
    assert load_runtime(bundle, max_batch=4).info.name == "onnxruntime"
    assert re.search(f"openvino-fp32 is left out: {reason}", caplog.text)
    folder = bundle.folder
    write_manifest(folder, bundle.manifest.model_copy(update={"files": describe_files(folder)}))
    words = ("serve", "check", "--bundle", folder, "--artifact", "openvino-fp32")
    assert_refused(run_module(*words), "openvino-fp32 cannot be trusted here: it ", "4 known clips")
    assert run_module(*words, "--max-batch", 1).returncode == 0


def test_the_fastest_on_such_a_device_is_taken(bundle: Bundle) -> None:
    (bundle.folder / "wrong.onnx").write_bytes((bundle.folder / "model.onnx").read_bytes())
    assert load_runtime(bundle).info.name == "openvino"
    manifest = bundle.manifest
    measured_elsewhere = manifest.artifacts[1].model_copy(
        update={"speeds": {"cuda": Speed(latency_ms=1.0, machine="there")}}
    )
    other = manifest.model_copy(update={"artifacts": (manifest.artifacts[0], measured_elsewhere)})
    assert load_runtime(Bundle(bundle.folder, other)).info.name == "onnxruntime"


def test_the_module_that_a_runtime_gets_wrong_is_found(bundle: Bundle) -> None:
    graph = onnx.load(bundle.folder / "model.onnx")
    for number, node in enumerate(graph.graph.node):
        node.name = f"stage{number}.layer/{node.op_type}_{number}"
    path = bundle.folder / "named.onnx"
    onnx.save(graph, path)

    def wrong(exposed: Path) -> OpenVinoRuntime:
        """A runtime that multiplies by something else than the file says."""
        changed = onnx.load(exposed)
        for constant in changed.graph.initializer:
            if constant.name == "scale":
                constant.CopyFrom(numpy_helper.from_array(np.float32(3), "scale"))
        onnx.save(changed, exposed)
        return OpenVinoRuntime(exposed, "fp32")

    clip = {"rgb": np.random.default_rng(0).integers(0, 256, (1, *SPEC.shape), np.uint8)}
    assert first_difference(path, lambda exposed: OpenVinoRuntime(exposed, "fp32"), clip) is None
    assert first_difference(path, wrong, clip) == "stage2.layer"
