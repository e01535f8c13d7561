"""The second family becomes bundles that answer as PyTorch does, in every precision, and served by the real app."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from export import load_model
from export.bundle.folder import Bundle, read_bundle
from export.predictor.results import Window
from export.runtimes.openvino import can_compute
from export.verification.parity import LIMITS
from export.verification.source import source_of
from rgbd.clip.build import build_clip
from rgbd.clip.sampling import bin_centres
from rgbd.clip.spec import centred_geometry
from rgbd.types import Frame
from tests.support.checkpoints import SMALL, untrained, write_data
from tests.support.commands import assert_refused, run_module
from tests.support.live import talking
from tests.support.long_recordings import FPS, GREEN, RED, coloured
from tests.support.requests import post, scores
from tests.support.server import RunningServer, running_server
from tests.support.small_networks import SMALL_UMDR
from tests.support.uploads import at_rate, depth_frames, npz, rgb_frames, timed_video

pytestmark = pytest.mark.slow

OWN = ["logits_rgb", "logits_depth"]


@pytest.fixture(scope="module")
def fusion(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A fusion over frozen streams, for clips of 32 frames, either of which may come alone."""
    folder = tmp_path_factory.mktemp("fusion")
    clip, network = {**SMALL["clip"], "num_frames": 32}, {**SMALL_UMDR, "spatial_fusions": 1, "temporal_fusions": 1}
    checkpoint = untrained("rgbd", folder / "best.pt", network=network, clip=clip)
    words = ("--formats", "onnx", "--max-batch", 2, "--data", write_data(folder / "data"), "--alone", "rgb,depth")
    result = run_module("export", "--checkpoint", checkpoint, "--out", folder / "bundle", *words)
    assert result.returncode == 0, result.stderr
    return read_bundle(folder / "bundle")


def test_a_fusion_over_frozen_streams_is_exported(fusion: Bundle) -> None:
    manifest = fusion.manifest
    assert [tensor.name for tensor in manifest.outputs] == [
        *("logits", "logits_streams", *OWN, "logits_rgb_head", "logits_depth_head")
    ]
    assert manifest.answer == "logits" and manifest.stream_heads == dict(zip(("rgb", "depth"), OWN, strict=True))
    (artifact,) = manifest.artifacts
    assert artifact.parity is not None
    assert artifact.parity.max_difference < 1e-3 and artifact.parity.top1_agreement == 1


def test_every_precision_answers_as_pytorch_does(second_in_low_precision: Bundle) -> None:
    compared = [item for item in second_in_low_precision.manifest.artifacts if item.runtime != "tensorrt"]
    low = [f"openvino-{name}" for name in ("bf16", "int8") if can_compute(name)]
    assert [item.name for item in compared] == ["onnxruntime-fp32", "openvino-fp32", *low]
    for artifact in compared:
        assert artifact.parity is not None
        relative, probability = LIMITS[artifact.precision]
        assert artifact.parity.relative_difference < relative and artifact.parity.probability_difference < probability
        assert artifact.precision != "fp32" or artifact.parity.max_difference < 1e-3


@pytest.mark.skipif(not can_compute("int8"), reason="this processor does not compute in int8")
def test_the_convolutions_of_frames_are_in_int8_and_nothing_else(second_in_low_precision: Bundle) -> None:
    report = json.loads((second_in_low_precision.folder / "quantization.json").read_text())
    of_frames = {layer["name"]: layer for layer in report["layers"] if "/Conv" in layer["name"]}
    of_frames = {name: layer for name, layer in of_frames.items() if name.startswith("spatial.")}
    assert len(of_frames) == 3 + 6 * 6
    assert all(layer["precision"] == "int8" or layer["reason"] == "kept for accuracy" for layer in of_frames.values())
    assert {layer["precision"] for layer in of_frames.values()} >= {"int8"}
    others = [layer for layer in report["layers"] if layer["name"] not in of_frames]
    assert {layer["precision"] for layer in others} == {"float"} and len(others) > 50
    assert all(layer["reason"].startswith("recoupling's scores can be large") for layer in others)


def test_clips_of_64_frames_and_their_streams_are_exported(tmp_path: Path) -> None:
    """Clips of 16 and 32 are in the two bundles. What comes before the first recoupling is computed once a frame."""
    clip, network = {**SMALL["clip"], "num_frames": 64}, {**SMALL_UMDR, "width": 0.0625, "branch_divisor": 4}
    checkpoint = untrained("rgb", tmp_path / "best.pt", network=network, clip=clip)
    words = ("--formats", "onnx", "--max-batch", 2, "--live")
    result = run_module("export", "--checkpoint", checkpoint, "--out", tmp_path / "bundle", *words)
    assert result.returncode == 0, result.stderr
    manifest = read_bundle(tmp_path / "bundle").manifest
    (artifact,), live = manifest.artifacts, manifest.live
    assert live is not None and (live.steps.lag, live.steps.history) == (2, 1)
    (graphs,) = live.artifacts
    for found in (artifact.parity, graphs.parity, graphs.inner):
        assert found is not None and found.relative_difference < 1e-3 and found.top1_agreement == 1
    assert graphs.padded is not None and graphs.padded.max_difference > 0  # the edges of a clip are seen


def test_triton_is_told_of_both_streams_and_all_heads(fusion: Bundle, tmp_path: Path) -> None:
    result = run_module("export", "triton", fusion.folder, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    written = (tmp_path / "motion" / "config.pbtxt").read_text()
    config = text_format.Parse(written, model_config_pb2.ModelConfig())
    assert [(item.name, list(item.dims)) for item in config.input] == [
        ("rgb", [32, 32, 32, 3]),
        ("depth", [32, 32, 32, 3]),
    ]
    assert [(item.name, list(item.dims)) for item in config.output] == [
        (item.name, [3]) for item in fusion.manifest.outputs
    ]
    refused = run_module("export", "triton", fusion.folder, "--out", tmp_path, "--live")
    assert_refused(refused, "has no graphs for streams without end")


@pytest.fixture(scope="module")
def server(
    second_in_low_precision: Bundle, fusion: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    models = tmp_path_factory.mktemp("models")
    for name, bundle in (("one", second_in_low_precision), ("both", fusion)):
        shutil.copytree(bundle.folder, models / name / "1")
    with running_server(models=models, artifact="onnxruntime-fp32") as running:
        yield running


def by_pytorch(bundle: Bundle, head: str, **streams: list[Frame]) -> list[float]:
    """Return the probabilities of frames by PyTorch, in the order of the labels; what does not come is black."""
    spec, clips = bundle.manifest.clip_spec, {}
    for stream in bundle.manifest.streams:
        clips[stream] = np.zeros((1, *spec.shape), np.uint8)
        if frames := streams.get(stream):
            sampled = [frames[index] for index in bin_centres(len(frames), spec.num_frames)]
            clips[stream][0] = build_clip(sampled, stream, spec, centred_geometry(spec))
    logits = source_of(bundle).pytorch.infer(clips)[head][0].astype(np.float64) / bundle.manifest.temperature
    shares = np.exp(logits - logits.max())
    return list(shares / shares.sum())


def test_the_service_answers_as_pytorch_does(
    server: RunningServer, second_in_low_precision: Bundle, fusion: Bundle
) -> None:
    rgb, depth = rgb_frames(), depth_frames()
    found = post(server, "/predict?model=one", rgb=npz(rgb))
    assert scores(found) == pytest.approx(by_pytorch(second_in_low_precision, "logits", rgb=rgb), abs=1e-4)
    found = post(server, "/predict?model=both", rgb=npz(rgb), depth=npz(depth))
    assert scores(found) == pytest.approx(by_pytorch(fusion, "logits", rgb=rgb, depth=depth), abs=1e-4)
    found = post(server, "/predict?model=both", rgb=npz(rgb))
    assert scores(found) == pytest.approx(by_pytorch(fusion, "logits_rgb", rgb=rgb), abs=1e-4)
    assert len(post(server, "/explain?model=one", rgb=npz(rgb)).json()["moments"]) > 1


def test_windows_of_a_stream_are_computed_anew(
    server: RunningServer, second_in_low_precision: Bundle, tmp_path: Path
) -> None:
    assert second_in_low_precision.manifest.live is None
    frames, labels = coloured((RED, 1), (GREEN, 1)), second_in_low_precision.manifest.labels
    expected = by_pytorch(second_in_low_precision, "logits", rgb=frames[:FPS])

    def of_first(windows: Sequence[dict[str, Any]]) -> list[float]:
        found = {score["label"]: score["score"] for score in windows[0]["predictions"]}
        return [found[label] for label in labels]

    model = load_model(second_in_low_precision.folder, artifact="onnxruntime-fp32")
    session = model.live("rgb", window_s=1, top_k=3)
    said = [item for number, frame in enumerate(frames) for item in session.add("rgb", number / FPS, frame)]
    windows = [asdict(item) for item in said if isinstance(item, Window)]
    assert len(windows) > 4 and of_first(windows) == pytest.approx(expected, abs=1e-4)

    video = timed_video(tmp_path / "long.mkv", at_rate(frames, FPS))
    in_process = [asdict(item) for item in model.timeline(tmp_path / "long.mkv", window_s=1, top_k=3).windows]
    served = post(server, "/timeline?model=one&window_s=1&top_k=3", rgb=video).json()["windows"]
    assert of_first(in_process) == pytest.approx(expected, abs=0.02)  # a video's colours are not exact
    assert len(served) == len(in_process) and of_first(served) == pytest.approx(of_first(in_process), abs=1e-6)

    with talking(server) as talk:
        assert talk.hello("rgb", model="one", window_s=1, top_k=3)["type"] == "ready"
        for number, frame in enumerate(coloured((RED, 2))):
            talk.frame("rgb", number / FPS, frame)
            time.sleep(0.5 / FPS)
        answers = [item for item in talk.end() if item["type"] == "answer"]
    assert of_first(answers) == pytest.approx(expected, abs=1e-4)
