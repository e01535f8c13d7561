"""A repository for Triton: its configuration is valid, and its graph is the bundle's."""

from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from export.bundle.folder import Bundle, read_bundle
from export.bundle.manifest import Artifact, TensorInfo
from export.commands.triton import config, write_model
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
