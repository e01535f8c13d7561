"""The files of a network for streams without end: a graph of each stream's features, and one of the head."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from export.build.describe import metadata_of
from export.build.graph import exported_heads
from export.build.onnx import Input, batch_axis, export_onnx
from export.build.plan import ExportOptions
from export.bundle.manifest import Artifact, Live, LiveArtifact, LiveSteps
from export.runtimes.registry import spec_of
from export.verification.source import Source, live_form_of
from rgbd.errors import UserError
from rgbd.steps import step
from rgbd.types import Stream
from training.networks.live import LiveForm

_FOLDER = "live"
_MAX_FRAMES = 4096  # new ones at a time


class _Features(nn.Module):
    """Features of a few frames, and the next states."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """See `LiveForm.features`."""
        results: tuple[Tensor, ...] = self.network(*inputs)
        return results


class _Head(nn.Module):
    """A tuple of scores for the features of a window, the answer first."""

    def __init__(self, network: nn.Module, *, answer_only: bool) -> None:
        super().__init__()
        self.network, self.answer_only = network, answer_only

    def forward(self, *features: Tensor) -> tuple[Tensor, ...]:
        """Float32 [B, T, dim] of each stream -> float32 [B, N] for each head."""
        return tuple(exported_heads(self.network(*features).heads(), answer_only=self.answer_only).values())


def check_live(source: Source, artifacts: Sequence[Artifact]) -> None:
    """Raise `UserError` where there can be no graphs for streams: by the network's family, or by the formats."""
    live_form_of(source)
    if not _runtimes_of(artifacts):
        raise UserError("--live: none of the formats takes graphs for streams without end; add onnx or openvino")


def write_live(
    folder: Path, artifacts: Sequence[Artifact], source: Source, options: ExportOptions, heads: Sequence[str]
) -> Live:
    """Write the graphs into `folder`, for each artifact whose runtime takes them, and return what the bundle says.

    `heads` are the outputs of the graph of clips.
    """
    form = live_form_of(source)
    steps = LiveSteps(history=form.history, lag=form.lag, feature_dim=form.dim, state_shapes=form.state_shapes)
    (folder / _FOLDER).mkdir()
    with tempfile.TemporaryDirectory(dir=folder, prefix="graphs-") as scratch:
        features, head = _trace(form, Path(scratch), source, options, heads)
        in_int8: Mapping[Stream, Path] = {}
        if any(artifact.precision == "int8" for artifact in artifacts):
            in_int8 = _quantize(features, head, steps, source, options, reports=folder / _FOLDER)
        live = []
        for artifact in _runtimes_of(artifacts):
            chosen = in_int8 if artifact.precision == "int8" else features
            live.append(_files_of(artifact, chosen, head, folder / _FOLDER))
    return Live(steps=steps, artifacts=tuple(live))


def _runtimes_of(artifacts: Sequence[Artifact]) -> list[Artifact]:
    return [artifact for artifact in artifacts if spec_of(artifact).runs_live]


def _trace(
    form: LiveForm, scratch: Path, source: Source, options: ExportOptions, heads: Sequence[str]
) -> tuple[dict[Stream, Path], Path]:
    """Write the graphs in float32; returns the files of each stream's features, and that of the head."""
    metadata = metadata_of(source, options)
    names = ["features", *(f"next_{number}" for number in range(len(form.state_shapes)))]
    features, head = {stream: scratch / f"features-{stream}.onnx" for stream in form.features}, scratch / "head.onnx"
    for stream, network in form.features.items():
        with step(f"tracing the features of {stream}, for streams without end"):
            export_onnx(_Features(network), _frames(form, source), names, metadata, features[stream])
    with step("tracing the head, for streams without end"):
        graph = _Head(form.head, answer_only=options.answer_only)
        export_onnx(graph, _windows(form, source), heads, metadata, head)
    return features, head


def _quantize(
    features: Mapping[Stream, Path],
    head: Path,
    steps: LiveSteps,
    source: Source,
    options: ExportOptions,
    reports: Path,
) -> Mapping[Stream, Path]:
    from export.build.quantize_features import quantize_features  # noqa: PLC0415  an optional dependency

    assert options.calibration is not None  # checked before anything was written
    return quantize_features(features, head, steps, source.checkpoint, options.calibration, reports)


def _frames(form: LiveForm, source: Source) -> dict[str, Input]:
    """Return what the graph of features takes: two new frames of two streams, where any number may come."""
    width, height = source.checkpoint.config.clip.size
    batch, frames = batch_axis(), Dim("frames", min=form.history + 1, max=form.history + _MAX_FRAMES)
    shape = (2, form.history + 2)
    states = {
        f"state_{number}": Input(torch.zeros(2, *state), {0: batch}) for number, state in enumerate(form.state_shapes)
    }
    return {
        "frames": Input(torch.zeros(*shape, height, width, 3, dtype=torch.uint8), {0: batch, 1: frames}),
        "seen": Input(torch.ones(*shape), {0: batch, 1: frames}),
        **states,
    }


def _windows(form: LiveForm, source: Source) -> dict[str, Input]:
    """Return what the graph of the head takes."""
    batch, num_frames = batch_axis(), source.checkpoint.config.clip.num_frames
    return {stream: Input(torch.zeros(2, num_frames, form.dim), {0: batch}) for stream in form.features}


def _files_of(artifact: Artifact, features: Mapping[Stream, Path], head: Path, folder: Path) -> LiveArtifact:
    """Write the files of one artifact, those of which are not there yet."""

    def written(path: Path) -> str:
        spec = spec_of(artifact)
        file = spec.files["fp32" if path == head else artifact.precision]
        target = folder / f"{path.stem}{Path(file.name).suffix}"
        if not target.exists():
            (file.write or shutil.copyfile)(path, target)
        return f"{folder.name}/{target.name}"

    return LiveArtifact(
        runtime=artifact.runtime,
        precision=artifact.precision,
        features={stream: written(path) for stream, path in features.items()},
        head=written(head),
    )
