"""From a checkpoint to a bundle: dynamic batch, parity with PyTorch, hashes, and what a damaged bundle says."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.build.graph import InferenceGraph
from export.build.onnx import clip_inputs, export_onnx
from export.bundle.folder import read_bundle
from export.bundle.manifest import BundleError
from export.runtimes.loading import load_runtime
from export.runtimes.openvino import can_compute
from export.verification.dataset_clips import LabelledClips, labelled_inputs
from rgbd.clip.spec import ClipSpec
from rgbd.errors import UserError, out_of_memory
from tests.support.checkpoints import SMALL, TOY, untrained, write_data
from tests.support.commands import assert_refused, run_module
from tests.support.processed import write_clips
from training.config.schema import TrainingConfig
from training.networks.family import family_of
from training.run.checkpoint import build_network, load_checkpoint

WIDE = ClipSpec(num_frames=8, resize=(64, 48), crop=(64, 40), size=(96, 48))


@pytest.fixture(scope="module")
def fusion_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fusion network of clips that are not square, which may answer with colour alone; its checkpoint and data."""
    folder = tmp_path_factory.mktemp("fusion")
    checkpoint = untrained("rgbd", folder / "best.pt", clip=WIDE.model_dump(mode="json"))
    words = ("--data", write_data(folder / "data"), "--alone", "rgb")
    result = run_module("export", "--checkpoint", checkpoint, "--out", folder / "bundle", *words)
    assert result.returncode == 0, result.stderr
    return folder / "bundle"


@pytest.mark.slow
def test_fusion_bundle_describes_and_proves_itself(fusion_bundle: Path) -> None:
    bundle = read_bundle(fusion_bundle)
    manifest = bundle.manifest
    assert manifest.modality == "rgbd"
    assert manifest.labels == ("wave", "squat", "jump")
    assert manifest.temperature == 1.5
    assert manifest.rejection is not None
    assert set(manifest.rejection.known) == {"logits", "logits_rgb", "logits_depth"}
    assert [tensor.name for tensor in manifest.outputs] == ["logits", "logits_rgb", "logits_depth"]
    assert (manifest.answer, set(manifest.stream_heads)) == ("logits", {"rgb", "depth"})
    assert manifest.source.metrics == {"top1": 0.25}
    onnx_file, exact, *low = manifest.artifacts
    assert [onnx_file.name, exact.name] == ["onnxruntime-fp32", "openvino-fp32"]
    for artifact in (onnx_file, exact):
        assert artifact.parity is not None and set(artifact.speeds) == {"cpu"}
        assert artifact.parity.max_difference < 1e-3 and artifact.parity.top1_agreement == 1
        assert artifact.parity.num_clips == 11 + 5  # batches of 1, 2 and 8, and the validation clips
    assert manifest.inputs[0].shape == ("batch", 8, 48, 96, 3)
    assert [artifact.name for artifact in low] == (["openvino-bf16"] if can_compute("bf16") else [])
    graph = onnx.load(bundle.path(onnx_file))
    onnx.checker.check_model(graph, full_check=True)
    assert not {node.op_type for node in graph.graph.node} & {"BatchNormalization", "Conv3D"}
    metadata = {entry.key: json.loads(entry.value) for entry in graph.metadata_props}
    assert metadata["labels"] == ["wave", "squat", "jump"] and metadata["clip_spec"]["num_frames"] == 8
    assert [i.name for i in graph.graph.input] == ["rgb", "depth"]
    assert {i.type.tensor_type.elem_type for i in graph.graph.input} == {onnx.TensorProto.UINT8}
    assert sorted(path.name for path in fusion_bundle.parent.iterdir()) == ["best.pt", "bundle", "data"]


@pytest.mark.slow
def test_a_bundle_takes_as_many_clips_as_memory_allows(tmp_path: Path) -> None:
    checkpoint = untrained("depth", tmp_path / "best.pt", **TOY)
    # One format: that all are made where none is named, the fusion's bundle shows.
    result = run_module("export", "--checkpoint", checkpoint, "--out", tmp_path / "bundle", "--formats", "onnx")
    assert result.returncode == 0, result.stderr
    manifest = read_bundle(tmp_path / "bundle").manifest
    assert manifest.streams == ("depth",)
    assert manifest.max_batch == 8
    assert re.search(r"up to 8 clips at a time: \S+ takes about 0\.\d GiB for that, and \d+\.\d GiB are", result.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime-fp32", "openvino-fp32", "openvino-bf16"])
def test_any_batch_gives_each_clip_its_own_answer(fusion_bundle: Path, name: str) -> None:
    if name == "openvino-bf16" and not can_compute("bf16"):
        pytest.skip("this processor does not compute in bf16, so there is no such artifact")
    runtime = load_runtime(read_bundle(fusion_bundle), name=name)
    clips = torch.randint(0, 256, (3, *WIDE.shape), dtype=torch.uint8).numpy()
    together = runtime.infer({"rgb": clips, "depth": clips})
    for row in range(3):
        one = clips[row : row + 1]
        alone = runtime.infer({"rgb": one, "depth": one})
        for head, scores in alone.items():
            assert abs(scores[0] - together[head][row]).max() < (0.05 if "bf16" in name else 1e-4)


@pytest.mark.slow
def test_damaged_bundles_are_refused(fusion_bundle: Path, tmp_path: Path) -> None:
    for file in fusion_bundle.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"\0" + (tmp_path / "model.onnx").read_bytes()[1:])
    with pytest.raises(BundleError, match=r"model\.onnx: does not match the hash"):
        read_bundle(tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(BundleError, match="is missing"):
        read_bundle(tmp_path)
    manifest = json.loads((tmp_path / "bundle.json").read_text())
    manifest["files"][0]["path"] = "../elsewhere.onnx"
    (tmp_path / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="outside the bundle"):
        read_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text('{"schema_version": 3}')
    with pytest.raises(BundleError, match="Field required"):
        read_bundle(tmp_path)
    (tmp_path / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="is not JSON"):
        read_bundle(tmp_path)
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(tmp_path / "nowhere")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "best.pt").write_bytes(b"not a checkpoint")
    result = run_module("export", "--checkpoint", tmp_path / "best.pt", "--out", tmp_path / "bundle")
    assert_refused(result, "is no file of weights")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_a_provider_that_is_not_there_is_an_error(fusion_bundle: Path) -> None:
    with pytest.raises(UserError, match="CUDAExecutionProvider"):
        load_runtime(read_bundle(fusion_bundle), "cuda")


class Odd(nn.Module):
    """What ONNX has no operator for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.special.bessel_j0(x)


def test_an_operator_that_onnx_lacks_is_named_with_its_module(tmp_path: Path) -> None:
    config = TrainingConfig.model_validate({**SMALL, **TOY, "modality": "rgb"})
    network = build_network(config, num_classes=3)
    network.eyes.rgb = nn.Sequential(network.eyes.rgb, Odd())  # type: ignore
    graph = InferenceGraph(network, family_of(config), "frames")
    with pytest.raises(UserError, match=r"cannot become an ONNX graph.*bessel_j0.*eyes\.rgb\.1"):
        export_onnx(graph, clip_inputs(config.modalities, config.clip), ["logits"], {}, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: np.empty(10**16, np.uint8),
        lambda: torch.empty(10**16, dtype=torch.uint8),
        lambda: cv2.resize(np.zeros((2, 2), np.uint8), (2**30, 2**30)),
    ],
    ids=["numpy", "torch", "opencv"],
)
def test_too_little_memory_is_said_with_the_remedy(allocate: Callable[[], object]) -> None:
    with pytest.raises(UserError, match="too little memory for this: try less"), out_of_memory("try less"):
        allocate()


@pytest.mark.slow
def test_a_stream_alone_is_tried_before_it_is_allowed(fusion_bundle: Path, tmp_path: Path) -> None:
    data, fusion = fusion_bundle.with_name("data"), fusion_bundle.with_name("best.pt")
    bundle = read_bundle(fusion_bundle)
    assert bundle.manifest.alone.keys() == {"rgb"}
    runtime, right = load_runtime(bundle, name="onnxruntime-fp32"), 0
    for inputs, label in LabelledClips(load_checkpoint(fusion), data, "valid"):
        outputs = runtime.infer({"rgb": inputs["rgb"], "depth": np.zeros_like(inputs["depth"])})
        right += int(outputs["logits_rgb"].argmax() == label)
    assert bundle.manifest.alone["rgb"] == right / 5
    words = ("--out", tmp_path / "bundle", "--alone", "rgb")
    assert_refused(run_module("export", "--checkpoint", fusion, *words), "give --data")
    single = untrained("rgb", tmp_path / "m.pt")
    assert_refused(run_module("export", "--checkpoint", single, *words, "--data", data), "takes rgb only")


def test_clips_are_spread_over_the_whole_split(tmp_path: Path) -> None:
    checkpoint, data = load_checkpoint(untrained("rgb", tmp_path / "best.pt")), write_data(tmp_path / "data")
    clips, chosen = ([clip["rgb"] for clip, _ in labelled_inputs(checkpoint, data, "valid", num)] for num in (99, 3))
    np.testing.assert_array_equal(chosen, [clips[0], clips[2], clips[4]])


def test_clips_of_other_classes_prove_nothing(tmp_path: Path) -> None:
    write_clips(tmp_path / "data", clips={"train": 2, "valid": 2})
    checkpoint = untrained("rgb", tmp_path / "best.pt")
    result = run_module("export", "--checkpoint", checkpoint, "--out", tmp_path / "bundle", "--data", tmp_path / "data")
    assert_refused(result, "has 2 classes (right, down), not 3 (wave, squat, jump), as the network was trained")
    assert not (tmp_path / "bundle").exists()
