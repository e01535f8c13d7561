"""A checkpoint becomes a bundle: every artifact is written, loaded, compared with PyTorch and timed."""

import json
import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from export.bundle import (
    Artifact,
    Bundle,
    BundleManifest,
    Modality,
    Precision,
    RuntimeName,
    Source,
    Speed,
    TensorInfo,
    describe_files,
    sha256,
    write_manifest,
)
from export.clips import seeded_inputs
from export.dataset import real_inputs
from export.graph import InferenceGraph
from export.machine import machine
from export.onnx import export_onnx
from export.parity import check_parity, measure_parity
from export.reference import TorchRuntime
from export.runtimes import Inputs, Runtime
from export.runtimes.loading import load_artifact, why_not
from preprocess.atomic import atomic_folder
from preprocess.errors import UserError
from training.checkpoint import Checkpoint, load_checkpoint, restore_network
from training.models.fusion import FusionNet
from training.models.unimodal import UnimodalNet

# What can be made of a checkpoint, and in which order it is listed.
MADE: tuple[tuple[RuntimeName, Precision], ...] = (
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
)
FORMATS: dict[str, RuntimeName] = {"onnx": "onnxruntime", "openvino": "openvino"}
BATCHES = (1, 2, 5)  # the batch axis must really be dynamic
_TIMED_RUNS = 5
_NUM_REAL_CLIPS = 32

Network = UnimodalNet | FusionNet

_MODALITIES: dict[str, Modality] = {"M": "rgb", "K": "depth", "FusionNet": "rgbd"}
_MEANINGS = {
    "logits": "class scores before softmax: the answer",
    "logits_small": "scores of the branch that reads the fewest frames",
    "logits_medium": "scores of the middle branch",
    "logits_large": "scores of the branch that reads the most frames",
    "logits_rgb": "scores of the RGB stream's head, which has seen what the streams share",
    "logits_depth": "scores of the depth stream's head, which has seen what the streams share",
}


@dataclass(frozen=True)
class Calibration:
    """What int8 is made with: training clips of a processed data set, and how much top-1 may be lost, in [0, 1]."""

    data: Path
    num_clips: int = 128
    max_drop: float = 0.005


@dataclass(frozen=True)
class ExportOptions:
    """What a bundle is to hold; `data` is a processed data set with real clips to compare on."""

    name: str
    formats: Sequence[str]
    precisions: Sequence[Precision]
    data: Path | None
    answer_only: bool
    calibration: Calibration | None = None


def create_bundle(source: Path, out: Path, options: ExportOptions) -> Bundle:
    """Write the bundle of the checkpoint in `source` to the folder `out`, atomically.

    Raises `UserError` where an artifact cannot be made, or answers something else than PyTorch; nothing is left then.
    """
    checkpoint = load_checkpoint(source)
    network = restore_network(checkpoint)
    with atomic_folder(out) as folder:
        artifacts = _wanted(options)
        heads = _write_graphs(folder, checkpoint, network, artifacts, options)
        manifest = _manifest(source, checkpoint, heads, options.name, folder, artifacts)
        bundle = Bundle(folder, manifest)
        batches, where = try_clips(checkpoint, options.data)
        reference = TorchRuntime(network, checkpoint.config.modalities)
        proved = tuple(prove(bundle, artifact, reference, batches, where) for artifact in artifacts)
        manifest = manifest.model_copy(update={"artifacts": proved})
        write_manifest(folder, manifest)
    return Bundle(out, manifest)


def try_clips(checkpoint: Checkpoint, data: Path | None) -> tuple[list[Inputs], str]:
    """Return clips in batches of several sizes to compare on, and where they are from."""
    streams, spec = checkpoint.config.modalities, checkpoint.config.clip
    batches: list[Inputs] = [seeded_inputs(streams, spec, batch, seed) for seed, batch in enumerate(BATCHES)]
    if data is None:
        return batches, "made from a seed"
    return [*batches, *real_inputs(checkpoint.config, data, _NUM_REAL_CLIPS)], f"made from a seed, and {data}"


def prove(bundle: Bundle, artifact: Artifact, reference: Runtime, batches: Iterable[Inputs], where: str) -> Artifact:
    """Return the artifact with its measured parity and speed; raises `UserError` where it is too far from PyTorch."""
    runtime = load_artifact(bundle, artifact, "cpu")
    parity = measure_parity(reference, runtime, batches, bundle.manifest.temperature, where)
    check_parity(artifact.name, artifact.precision, parity)
    clip = seeded_inputs(bundle.manifest.streams, bundle.manifest.clip_spec, batch=1)
    seconds = statistics.median(_time(runtime, clip) for _ in range(_TIMED_RUNS))
    return artifact.model_copy(update={"parity": parity, "speed": Speed(latency_ms=1000 * seconds, machine=machine())})


def _time(runtime: Runtime, clip: Inputs) -> float:
    start = time.perf_counter()
    runtime.infer(clip)
    return time.perf_counter() - start


def _wanted(options: ExportOptions) -> tuple[Artifact, ...]:
    """Return what to make, of what this machine can run; raises `UserError` where nothing is left."""
    if "int8" in options.precisions and options.calibration is None:
        raise UserError("int8 needs clips to calibrate on; give a processed data set as --calibration")
    if "int8" in options.precisions and find_spec("nncf") is None:
        raise UserError("int8 needs nncf; pip install 'rgbd-motion[int8]', or leave it out of --precision")
    wanted = [
        Artifact(runtime=runtime, precision=precision, path=_file(runtime, precision))
        for runtime, precision in MADE
        if precision in options.precisions and runtime in {FORMATS[name] for name in options.formats}
    ]
    reasons = {artifact.name: why_not(artifact, "cpu") for artifact in wanted}
    artifacts = tuple(artifact for artifact in wanted if not reasons[artifact.name])
    if not artifacts:
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "no such combination"
        raise UserError(f"of these formats and precisions nothing can be made here ({listed})")
    return artifacts


def _write_graphs(
    folder: Path, checkpoint: Checkpoint, network: Network, artifacts: Sequence[Artifact], options: ExportOptions
) -> tuple[str, ...]:
    """Write the artifacts' files, each in the form of the graph that its runtime computes fastest.

    Returns the outputs' names.
    """
    streams, spec = checkpoint.config.modalities, checkpoint.config.clip
    metadata = {
        "name": options.name,
        "version": "1",
        "labels": checkpoint.class_names,
        "clip_spec": spec.model_dump(mode="json"),
    }
    heads: tuple[str, ...] = ()
    files = {artifact.path for artifact in artifacts}
    if (path := _file("onnxruntime", "fp32")) in files:
        graph = InferenceGraph(network, "frames", answer_only=options.answer_only)
        heads = export_onnx(graph, streams, spec, metadata, folder / path)
    if any(artifact.runtime == "openvino" for artifact in artifacts):
        from export.openvino import write_ir  # noqa: PLC0415  an optional dependency

        volumes, exact = folder / "volumes.onnx", folder / _file("openvino", "fp32")
        graph = InferenceGraph(network, "volumes", answer_only=options.answer_only)
        heads = export_onnx(graph, streams, spec, metadata, volumes)
        write_ir(volumes, exact)
        volumes.unlink()
        if (path := _file("openvino", "int8")) in files:
            _quantize(exact, folder / path, checkpoint, options)
        if exact.name not in files:
            exact.unlink()
            exact.with_suffix(".bin").unlink()
    return heads


def _quantize(source: Path, target: Path, checkpoint: Checkpoint, options: ExportOptions) -> None:
    """Write the graph in int8, and beside it what became of each layer."""
    from export.quantize import quantize_ir  # noqa: PLC0415  an optional dependency

    assert options.calibration is not None  # checked before anything was written
    how = options.calibration
    report = quantize_ir(source, target, checkpoint.config, how.data, num_clips=how.num_clips, max_drop=how.max_drop)
    path = target.with_name("quantization.json")
    path.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")


def _file(runtime: RuntimeName, precision: Precision) -> str:
    """Return the name of an artifact's file; what computes float32 computes bfloat16, too."""
    name = "model-int8" if precision == "int8" else "model"
    return name + {"onnxruntime": ".onnx", "openvino": ".xml", "tensorrt": ".plan"}[runtime]


def _manifest(
    source: Path, checkpoint: Checkpoint, heads: Sequence[str], name: str, folder: Path, artifacts: tuple[Artifact, ...]
) -> BundleManifest:
    clip, num_classes = checkpoint.config.clip, len(checkpoint.class_names)
    shape = ("batch", clip.num_frames, clip.size, clip.size, 3)
    return BundleManifest(
        name=name,
        version="1",
        modality=_MODALITIES[checkpoint.config.type],
        labels=checkpoint.class_names,
        temperature=checkpoint.temperature,
        clip_spec=clip,
        inputs=tuple(
            TensorInfo(name=stream, dtype="uint8", shape=shape, meaning=f"sampled {stream} frames, RGB order")
            for stream in checkpoint.config.modalities
        ),
        outputs=tuple(
            TensorInfo(name=head, dtype="float32", shape=("batch", num_classes), meaning=_MEANINGS[head])
            for head in heads
        ),
        files=describe_files(folder),
        artifacts=artifacts,
        source=Source(
            checkpoint=str(source.resolve()),
            checkpoint_sha256=sha256(source),
            config=checkpoint.config.model_dump(mode="json"),
            metrics=checkpoint.metrics,
            git_commit=_git_commit(),
        ),
    )


def _git_commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None  # installed from a package, or no git
