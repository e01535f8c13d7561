"""Graphs for streams without end, compared with PyTorch: on whole clips, and on windows of a long stream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import torch
from numpy.typing import NDArray

from export.bundle.folder import Bundle
from export.bundle.manifest import LiveArtifact
from export.runtimes import Inputs, Outputs
from export.runtimes.live import Features, LiveRuntime, first_states, load_live_artifact
from export.verification.parity import check_parity, measure_parity
from export.verification.pytorch import TorchRuntime
from export.verification.source import Source, live_form_of
from rgbd.types import Stream
from training.networks.live import LiveForm

_NUM_WINDOWS = 5
_NEW_FRAMES = 3  # at a time; no divisor of what clips usually have

_Frames = Mapping[Stream, NDArray[np.uint8]]  # of a long recording, [L, H, W, 3]
_Windows = Sequence[Inputs]  # features of each stream, [1, T, dim]


@dataclass(frozen=True)
class LongRecording:
    """A stream made of clips, and what PyTorch says of windows in it that no edge reaches, which begin at `starts`.

    true: by the features of the whole stream. alone: of each window as a clip of its own.
    """

    frames: _Frames
    starts: Sequence[int]
    true: Sequence[Outputs]
    alone: Sequence[Outputs]


def ask_pytorch(source: Source, batches: Sequence[Inputs]) -> LongRecording:
    """Return a stream made of some of these clips; raises `UserError` where the network has no form for streams."""
    form, num_frames = live_form_of(source), source.checkpoint.config.clip.num_frames
    frames = long_recording(batches, form, num_frames)
    starts = _starts(form, num_frames, len(next(iter(frames.values()))))
    return LongRecording(
        frames,
        starts,
        true=[_classified(form, window) for window in _windows(_at_once(form, frames), starts, num_frames)],
        alone=[_as_clip(source.pytorch, frames, start, num_frames) for start in starts],
    )


def verify_live(
    bundle: Bundle,
    artifact: LiveArtifact,
    device: str,
    batches: Sequence[Inputs],
    expected: Sequence[Outputs],
    recording: LongRecording,
    where: str,
) -> LiveArtifact:
    """Return the artifact with its parity on whole clips, whose answers are `expected`, and on windows of a stream.

    Raises `UserError` where it is too far from PyTorch.
    """
    runtime = load_live_artifact(bundle, artifact, device)
    temperature, num_frames = bundle.manifest.temperature, bundle.manifest.clip_spec.num_frames
    parity = measure_parity(expected, [runtime.infer(inputs) for inputs in batches], temperature, where)
    check_parity(f"{artifact.name} for streams", artifact.precision, parity)
    windows = _windows(_in_steps(runtime, recording.frames), recording.starts, num_frames)
    found = [runtime.classify(window) for window in windows]
    inner = measure_parity(recording.true, found, temperature, where)
    check_parity(f"{artifact.name} for streams, within one", artifact.precision, inner)
    padded = measure_parity(recording.alone, found, temperature, where)
    return artifact.model_copy(update={"parity": parity, "inner": inner, "padded": padded})


def long_recording(batches: Sequence[Inputs], form: LiveForm, num_frames: int) -> _Frames:
    """Return the last of the clips, one after another, long enough for windows that no edge reaches.

    Where there are too few clips, they come again.
    """
    num_clips = 2 + -(-2 * _margin(form) // num_frames)
    clips = {stream: [clip for inputs in reversed(batches) for clip in inputs[stream]] for stream in form.features}
    return {stream: np.concatenate(list(islice(cycle(of), num_clips))) for stream, of in clips.items()}


def _margin(form: LiveForm) -> int:
    """Return how many frames from an edge of a recording features change with it."""
    return max(form.lag, form.history)


def _starts(form: LiveForm, num_frames: int, total: int) -> list[int]:
    margin = _margin(form)
    return np.unique(np.linspace(margin, total - num_frames - margin, _NUM_WINDOWS).astype(int)).tolist()


def _windows(features: Mapping[Stream, Features], starts: Sequence[int], num_frames: int) -> _Windows:
    return [
        {stream: values[None, start : start + num_frames] for stream, values in features.items()} for start in starts
    ]


def _in_steps(runtime: LiveRuntime, frames: _Frames) -> dict[Stream, Features]:
    """Return the features [L, dim] of a recording, a few frames at a time."""
    history, lag = runtime.steps.history, runtime.steps.lag
    features = {}
    for stream, pictures in frames.items():
        padded = np.pad(pictures, ((history, lag), (0, 0), (0, 0), (0, 0)))[None]
        seen = np.pad(np.ones(len(pictures), np.float32), (history, lag))[None]
        states, found = first_states(runtime.steps, 1), []
        for first in range(0, len(pictures) + lag, _NEW_FRAMES):
            end = first + history + _NEW_FRAMES
            step, states = runtime.advance(stream, padded[:, first:end], seen[:, first:end], states)
            found.append(step[0])
        features[stream] = np.concatenate(found)[lag:]
    return features


@torch.inference_mode()
def _at_once(form: LiveForm, frames: _Frames) -> dict[Stream, Features]:
    """Return the features [L, dim] of a recording by the network of clips."""
    return {stream: form.at_once[stream](torch.from_numpy(of)[None])[0].numpy() for stream, of in frames.items()}


@torch.inference_mode()
def _classified(form: LiveForm, window: Inputs) -> Outputs:
    heads = form.head(*(torch.from_numpy(features) for features in window.values())).heads()
    return {name: scores.numpy() for name, scores in heads.items()}


def _as_clip(pytorch: TorchRuntime, frames: _Frames, start: int, num_frames: int) -> Outputs:
    """Return the answer to the frames of a window as a clip of their own."""
    return pytorch.infer({stream: of[None, start : start + num_frames] for stream, of in frames.items()})
