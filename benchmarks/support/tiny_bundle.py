"""A real bundle with a tiny real graph, whose answer can be told from a clip by hand."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from export.bundle.folder import describe_files, read_bundle, write_manifest
from export.bundle.manifest import Artifact, BundleManifest, Source, TensorInfo
from export.bundle.seeded_clips import seeded_inputs
from export.runtimes.loading import load_runtime
from rgbd.clip.appearance import Appearance
from rgbd.clip.build import build_clip
from rgbd.clip.depth_encoding import DepthEncoding
from rgbd.clip.preparation import Preparation
from rgbd.clip.rejection import Rejection
from rgbd.clip.sampling import bin_centres
from rgbd.clip.spec import ClipSpec, centred_geometry
from rgbd.types import Frame, Modality, Stream, streams_of

RAW = Preparation(streams=("rgb", "depth"), masks="body", roi="clip")
"""What is done to raw recordings, for bundles that take them."""

LABELS = ("red", "green", "blue")
SPEC = ClipSpec(num_frames=4, resize=(64, 48), crop=32, size=32)


def make_bundle(
    folder: Path,
    modality: Modality = "rgbd",
    *,
    spec: ClipSpec = SPEC,
    alone: dict[Stream, float] | None = None,
    trained_on: dict[Stream, Appearance] | None = None,
    preparation: Preparation | None = None,
    familiar: tuple[float, float] | None = None,
    answer: str = "logits",
) -> Path:
    """Write a bundle whose scores are each stream's mean red, green and blue, over 16, and the sum of both.

    `answer` is the name of the output that is the answer; those of the streams begin with it. `familiar`: the best
    scores, lowest and highest, of clips of known motions; those between are spread evenly.
    """
    folder.mkdir(parents=True, exist_ok=True)
    streams = streams_of(modality)
    onnx.save(_graph(streams, spec, answer), str(folder / "model.onnx"))
    clip = ("batch", *spec.shape)
    heads: dict[str, Stream | None] = {answer: None}
    heads |= {f"{answer}_{stream}": stream for stream in streams if len(streams) > 1}
    manifest = BundleManifest(
        name="tiny",
        version="1",
        modality=modality,
        labels=LABELS,
        clip_spec=spec,
        inputs=tuple(
            TensorInfo(name=stream, dtype="uint8", shape=clip, meaning=f"{stream} clip") for stream in streams
        ),
        outputs=tuple(
            TensorInfo(name=head, dtype="float32", shape=("batch", 3), meaning=head, stream=stream)
            for head, stream in heads.items()
        ),
        check=_answers(seeded_inputs(streams, spec, batch=1), answer),
        alone=alone or {},
        trained_on=trained_on or {},
        preparation=preparation,
        rejection=None if familiar is None else _rejection(heads, familiar),
        files=describe_files(folder),
        artifacts=(Artifact(runtime="onnxruntime", precision="fp32", path="model.onnx"),),
        source=Source(checkpoint="best.pt", checkpoint_sha256="0" * 64, config={}, metrics={}, git_commit=None),
    )
    write_manifest(folder, manifest)
    return folder


def _rejection(heads: Iterable[str], familiar: tuple[float, float]) -> Rejection:
    return Rejection(known={head: tuple(np.linspace(*familiar, 101).tolist()) for head in heads})


def _answers(clips: dict[str, NDArray[np.uint8]], answer: str) -> dict[str, tuple[float, ...]]:
    means = {stream: clip[0].mean((0, 1, 2)) / 16 for stream, clip in clips.items()}
    if len(means) == 1:
        return {answer: tuple(next(iter(means.values())).tolist())}
    streams = {f"{answer}_{stream}": tuple(mean.tolist()) for stream, mean in means.items()}
    return {answer: tuple(sum(means.values()).tolist()), **streams}


def expected_scores(bundle: Path, rgb: list[Frame], depth: list[Frame]) -> list[float]:
    """Return the classes' scores in the order of the labels, without any of the service."""
    runtime = load_runtime(read_bundle(bundle))
    geometry = centred_geometry(SPEC)
    clips = {}
    for stream, frames in (("rgb", rgb), ("depth", depth)):
        sampled = [frames[i] for i in bin_centres(len(frames), SPEC.num_frames)]
        clips[stream] = build_clip(sampled, stream, SPEC, geometry)[None]
    logits = runtime.infer(clips)["logits"][0].astype(np.float64)
    return list(np.exp(logits) / np.exp(logits).sum())


def image_spec() -> ClipSpec:
    """Return the same clip for a model trained on 8-bit depth images."""
    return SPEC.model_copy(update={"depth": DepthEncoding(mode="image")})


def _graph(streams: tuple[Stream, ...], spec: ClipSpec, answer: str) -> onnx.ModelProto:
    shape = ["batch", *spec.shape]
    nodes, heads = [], []
    for stream in streams:
        head = f"{answer}_{stream}" if len(streams) > 1 else answer
        nodes += [
            helper.make_node("Cast", [stream], [f"{stream}_float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", [f"{stream}_float", "axes"], [f"{stream}_mean"], keepdims=0),
            helper.make_node("Mul", [f"{stream}_mean", "scale"], [head]),
        ]
        heads.append(head)
    if len(streams) > 1:
        nodes.append(helper.make_node("Add", heads, [answer]))
        heads.append(answer)
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(stream, TensorProto.UINT8, shape) for stream in streams],
        [helper.make_tensor_value_info(head, TensorProto.FLOAT, ["batch", 3]) for head in heads],
        [
            helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
            helper.make_tensor("scale", TensorProto.FLOAT, [], [1 / 16]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
