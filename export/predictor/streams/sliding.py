"""Windows that slide over a stream of frames: what the network says of each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from export.predictor.answer import WindowOutputs
from export.predictor.model import Model
from export.runtimes.live import Features, LiveRuntime, first_states
from rgbd.types import Stream

Frames = Mapping[Stream, NDArray[np.uint8]]
"""New sampled frames of each stream, as many of each, uint8 [n, H, W, 3]."""


@dataclass(frozen=True)
class SlidWindow:
    """As many sampled frames as a clip has: the number of the first of them, and the network's outputs."""

    first: int
    outputs: WindowOutputs


class Sliding(Protocol):
    """Answers windows that begin every so many sampled frames."""

    def add(self, frames: Frames) -> Iterator[SlidWindow]:
        """Yield the windows that can be answered now that these frames have come."""

    def end(self) -> Iterator[SlidWindow]:
        """Yield those that waited for frames which do not come."""


def slide(model: Model, live: LiveRuntime | None, every: int) -> Sliding:
    """Return what answers a stream with a model; with its graphs for streams, where those are loaded."""
    return SlidingClips(model, every) if live is None else SlidingFeatures(model, live, every)


def slide_over(sliding: Sliding, portions: Iterable[Frames]) -> Iterator[SlidWindow]:
    """Yield the windows of a whole stream."""
    for frames in portions:
        yield from sliding.add(frames)
    yield from sliding.end()


class SlidingFeatures:
    """Computes each frame once; the frames of a window have true neighbours, where there are any."""

    def __init__(self, model: Model, runtime: LiveRuntime, every: int) -> None:
        self._model, self._runtime, self._every = model, runtime, every
        self._num_frames, *frame_shape = model.bundle.manifest.clip_spec.shape
        black = np.zeros((runtime.steps.history, *frame_shape), np.uint8)
        self._history: dict[Stream, NDArray[np.uint8]] = dict.fromkeys(model.streams, black)
        self._seen = np.zeros(runtime.steps.history, np.float32)
        self._states = {stream: first_states(runtime.steps, 1) for stream in model.streams}
        none = np.zeros((0, runtime.steps.feature_dim), np.float32)
        self._features: dict[Stream, Features] = dict.fromkeys(model.streams, none)
        self._first = -runtime.steps.lag  # the number of the frame whose feature is the first that is kept, or will be

    def add(self, frames: Frames) -> Iterator[SlidWindow]:
        """See `Sliding.add`."""
        return self._advance(frames, is_frame=True)

    def end(self) -> Iterator[SlidWindow]:
        """See `Sliding.end`."""
        shape = (self._runtime.steps.lag, *next(iter(self._history.values())).shape[1:])
        nothing = np.zeros(shape, np.uint8)
        return self._advance(dict.fromkeys(self._model.streams, nothing), is_frame=False)

    def _advance(self, frames: Frames, *, is_frame: bool) -> Iterator[SlidWindow]:
        num_new, history = len(next(iter(frames.values()))), self._runtime.steps.history
        seen = np.concatenate([self._seen, np.full(num_new, is_frame, np.float32)])
        for stream, new in frames.items():
            together = np.concatenate([self._history[stream], new])
            found, self._states[stream] = self._runtime.advance(
                stream, together[None], seen[None], self._states[stream]
            )
            self._features[stream] = np.concatenate([self._features[stream], found[0]])
            self._history[stream] = together[num_new:]
        self._seen = seen[len(seen) - history :]
        if self._first < 0:
            self._forget(-self._first)
        while len(next(iter(self._features.values()))) >= self._num_frames:
            window: dict[str, Features] = {
                stream: features[None, : self._num_frames] for stream, features in self._features.items()
            }
            outputs = self._model.checked(self._runtime.classify(window), 1)
            yield SlidWindow(self._first, {name: values[0] for name, values in outputs.items()})
            self._forget(self._every)

    def _forget(self, num_frames: int) -> None:
        """Let go of the features of so many frames, as far as they are there."""
        num_frames = min(num_frames, len(next(iter(self._features.values()))))
        self._features = {stream: features[num_frames:] for stream, features in self._features.items()}
        self._first += num_frames


class SlidingClips:
    """Computes every window anew, as a clip of its own."""

    def __init__(self, model: Model, every: int) -> None:
        self._model, self._every = model, every
        self._num_frames = model.bundle.manifest.clip_spec.num_frames
        self._recent: dict[Stream, NDArray[np.uint8]] = {}
        self._first = 0

    def add(self, frames: Frames) -> Iterator[SlidWindow]:
        """See `Sliding.add`."""
        for stream, new in frames.items():
            self._recent[stream] = np.concatenate([self._recent[stream], new]) if stream in self._recent else new
        while len(next(iter(self._recent.values()))) >= self._num_frames:
            outputs = self._model.infer(
                {stream: recent[None, : self._num_frames] for stream, recent in self._recent.items()}
            )
            yield SlidWindow(self._first, {name: values[0] for name, values in outputs.items()})
            self._recent = {stream: recent[self._every :] for stream, recent in self._recent.items()}
            self._first += self._every

    def end(self) -> Iterator[SlidWindow]:
        """Yield nothing: no window waits."""
        return iter(())
