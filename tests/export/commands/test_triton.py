"""A repository for Triton: its configuration is valid, and its graph is the bundle's."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from export.bundle.folder import Bundle, read_bundle
from export.bundle.manifest import Artifact, TensorInfo
from export.bundle.seeded_clips import seeded_inputs
from export.commands.triton import config, write_model
from export.runtimes.live import whole_clips
from rgbd.errors import UserError
from tests.support.commands import assert_refused, run_module


def test_the_configuration_is_what_triton_reads(tmp_path: Path) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "bundle", "rgbd"))
    (tmp_path / "repository" / ".tiny.7.tmp").mkdir(parents=True)  # by one that was killed
    result = run_module("export", "triton", tmp_path / "bundle", "--out", tmp_path / "repository", "--max-batch", 4)
    assert result.returncode == 0, result.stderr
    assert [path.name for path in (tmp_path / "repository").iterdir()] == ["tiny"]
    folder = tmp_path / "repository" / "tiny"
    config = text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert (config.name, config.backend, config.max_batch_size) == ("tiny", "onnxruntime", 4)
    clip = [*SPEC.shape]
    assert [(tensor.name, list(tensor.dims)) for tensor in config.input] == [("rgb", clip), ("depth", clip)]
    assert [tensor.name for tensor in config.output] == ["logits", "logits_rgb", "logits_depth"]
    assert config.output[0].label_filename == "labels.txt" and config.HasField("dynamic_batching")
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 4]  # the largest is tried before anybody asks
    assert all(set(warmup.inputs) == {"rgb", "depth"} for warmup in config.model_warmup)
    assert (folder / "labels.txt").read_text().splitlines() == ["red", "green", "blue"]
    assert (folder / "1" / "model.onnx").read_bytes() == (bundle.folder / "model.onnx").read_bytes()


def test_names_of_strangers_stay_names(tmp_path: Path) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "bundle", "rgb"))
    name = 'x" data_type: TYPE_FP32 } op_library_filename: "/lib/evil.so" #'
    output = TensorInfo(name=name, dtype="float32", shape=("batch", 3), meaning="")
    stranger = Bundle(bundle.folder, bundle.manifest.model_copy(update={"outputs": (output,)}))
    text = config(stranger, bundle.artifact("onnxruntime-fp32"), 8)
    assert [output.name for output in text_format.Parse(text, model_config_pb2.ModelConfig()).output] == [name]


@pytest.mark.parametrize(("version", "folder"), [("7", "7"), ("epoch24-3f9a1c2b", "1"), ("007", "1"), ("0", "1")])
def test_the_folder_of_a_version_is_a_number_as_triton_wants_it(tmp_path: Path, version: str, folder: str) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "bundle", "rgb"))
    named = Bundle(bundle.folder, bundle.manifest.model_copy(update={"version": version}))
    model = write_model(named, named.artifact("onnxruntime-fp32"), tmp_path / "repository", 8)
    assert (model / folder / "model.onnx").exists()
    written = text_format.Parse((model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert written.parameters["version"].string_value == version


def test_what_triton_does_not_own_is_left_alone(tmp_path: Path) -> None:
    bundle = read_bundle(make_bundle(tmp_path / "bundle", "rgb"))
    (tmp_path / "repository" / "tiny").mkdir(parents=True)
    with pytest.raises(UserError, match="is no model of Triton's"):
        write_model(bundle, bundle.artifact("onnxruntime-fp32"), tmp_path / "repository", 8)
    artifact = Artifact(runtime="openvino", precision="fp32", path="model.onnx")
    with pytest.raises(UserError, match="choose onnxruntime-fp32"):
        write_model(bundle, artifact, tmp_path / "repository", 8)
    words = (tmp_path / "bundle", "--out", tmp_path / "other", "--artifact", "tensorrt-fp16")
    assert_refused(run_module("export", "triton", *words), "holds no artifact 'tensorrt-fp16'")


@pytest.mark.slow
def test_models_for_streams_keep_their_states_as_triton_does(in_low_precision: Bundle, tmp_path: Path) -> None:
    result = run_module("export", "triton", in_low_precision.folder, "--out", tmp_path, "--live")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["motion-features-rgb", "motion-head"]
    features, head = _Triton(tmp_path / "motion-features-rgb"), _Triton(tmp_path / "motion-head")
    assert features.config.HasField("sequence_batching") and head.config.HasField("dynamic_batching")
    assert in_low_precision.manifest.live is not None
    steps, clip = in_low_precision.manifest.live.steps, seeded_inputs(["rgb"], in_low_precision.manifest.clip_spec, 1)
    whole = whole_clips(steps, clip["rgb"])
    found = []
    for first in range(clip["rgb"].shape[1] + steps.lag):  # a request for each frame
        end = first + steps.history + 1
        request = {name: whole[name][:, first:end] for name in ("frames", "seen")}
        found.append(features.ask(request)["features"])
    answer = head.ask({"rgb": np.concatenate(found, 1)[:, steps.lag :]})
    for name, scores in in_low_precision.manifest.check.items():
        np.testing.assert_allclose(answer[name][0], scores, atol=1e-4)


class _Triton:
    """What Triton does with a model and the requests of one sequence, by its configuration, without Triton."""

    def __init__(self, folder: Path) -> None:
        self.config = text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
        self._session = onnxruntime.InferenceSession(str(folder / "1" / self.config.default_model_filename))
        self._states = {
            state.input_name: np.zeros((1, *state.initial_state[0].dims), np.float32)
            for state in self.config.sequence_batching.state
        }

    def ask(self, request: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        assert request.keys() == {tensor.name for tensor in self.config.input}
        for tensor in self.config.input:
            given = request[tensor.name].shape[1:]
            dims = [-1 if any_length == -1 else length for any_length, length in zip(tensor.dims, given, strict=True)]
            assert dims == list(tensor.dims)
        names = [output.name for output in self._session.get_outputs()]
        outputs = dict(zip(names, self._session.run(names, request | self._states), strict=True))
        self._states = {state.input_name: outputs[state.output_name] for state in self.config.sequence_batching.state}
        return {tensor.name: outputs[tensor.name] for tensor in self.config.output}


@pytest.mark.slow
def test_other_backends_keep_no_states(in_low_precision: Bundle, tmp_path: Path) -> None:
    words = ("export", "triton", in_low_precision.folder, "--out", tmp_path, "--live", "--artifact", "openvino-fp32")
    assert_refused(run_module(*words), "the openvino backend of Triton keeps no states")
    assert not list(tmp_path.iterdir())


def test_a_bundle_of_clips_alone_has_no_models_for_streams(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", "rgb")
    refused = run_module("export", "triton", bundle, "--out", tmp_path / "repository", "--live")
    assert_refused(refused, "export it with --live")
