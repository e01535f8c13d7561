"""Windows that slide over streams of frames: what the network says of each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from export.predictor.answer import WindowOutputs
from export.predictor.model import Model
from export.runtimes.live import Features, LiveRuntime, States, first_states
from rgbd.types import Stream

Frames = Mapping[Stream, NDArray[np.uint8]]
"""New sampled frames of each stream, as many of each, uint8 [n, H, W, 3]."""

State = TypeVar("State")


def with_black(frames: Frames, streams: Sequence[Stream]) -> Frames:
    """Return frames of all these streams; black ones of those that are not there."""
    black = np.zeros_like(next(iter(frames.values())))
    return {stream: frames.get(stream, black) for stream in streams}


@dataclass(frozen=True)
class SlidWindow:
    """As many sampled frames as a clip has: the number of the first of them, and the network's outputs."""

    first: int
    outputs: WindowOutputs


class Slider(Protocol[State]):
    """Answers windows of streams without end, of several at a time. Not for several threads at a time."""

    max_batch: int
    """Streams at a time."""

    def begin(self, every: int) -> State:
        """Return the state of a stream of which nothing has come; its windows begin every so many sampled frames."""

    def add(self, coming: Sequence[tuple[State, Frames]]) -> list[list[SlidWindow]]:
        """Return of each stream the windows that can be answered now that these frames, as many of each, have come.

        Raises `ValueError` as `Model.infer`.
        """

    def end(self, state: State) -> list[SlidWindow]:
        """Return those that waited for frames which do not come."""


def slider_of(model: Model, live: LiveRuntime | None) -> Slider[Any]:
    """Return what answers streams with a model; with its graphs for streams, where those are loaded."""
    return ClipSlider(model) if live is None else FeatureSlider(model, live)


def slide_over(slider: Slider[State], every: int, portions: Iterable[Frames]) -> Iterator[SlidWindow]:
    """Yield the windows of a whole stream."""
    state = slider.begin(every)
    for frames in portions:
        (windows,) = slider.add([(state, frames)])
        yield from windows
    yield from slider.end(state)


@dataclass(eq=False)
class FeatureState:
    """What is kept of one stream: the frames before the next, and what the graph made of them; the features of windows.

    first: the number of the frame whose feature is the first that is kept, or will be.
    """

    every: int
    history: dict[Stream, NDArray[np.uint8]]
    seen: NDArray[np.float32]
    inner: dict[Stream, States]
    features: dict[Stream, Features]
    first: int

    @property
    def num_features(self) -> int:
        """Of how many frames features are kept."""
        return len(next(iter(self.features.values())))

    def forget(self, num_frames: int) -> None:
        """Let go of the features of so many frames, as far as they are there."""
        num_frames = min(num_frames, self.num_features)
        self.features = {stream: features[num_frames:] for stream, features in self.features.items()}
        self.first += num_frames


class FeatureSlider:
    """Computes each frame once; the frames of a window have true neighbours, where there are any."""

    def __init__(self, model: Model, runtime: LiveRuntime) -> None:
        self._model, self._runtime = model, runtime
        self.max_batch = model.max_batch
        self._num_frames, *self._frame_shape = model.bundle.manifest.clip_spec.shape

    def begin(self, every: int) -> FeatureState:
        """See `Slider.begin`."""
        steps, streams = self._runtime.steps, self._model.streams
        return FeatureState(
            every,
            history=dict.fromkeys(streams, np.zeros((steps.history, *self._frame_shape), np.uint8)),
            seen=np.zeros(steps.history, np.float32),
            inner={stream: first_states(steps, 1) for stream in streams},
            features=dict.fromkeys(streams, np.zeros((0, steps.feature_dim), np.float32)),
            first=-steps.lag,
        )

    def add(self, coming: Sequence[tuple[FeatureState, Frames]]) -> list[list[SlidWindow]]:
        """See `Slider.add`."""
        return self._advance(coming, is_frame=True)

    def end(self, state: FeatureState) -> list[SlidWindow]:
        """See `Slider.end`."""
        nothing = np.zeros((self._runtime.steps.lag, *self._frame_shape), np.uint8)
        (windows,) = self._advance([(state, dict.fromkeys(self._model.streams, nothing))], is_frame=False)
        return windows

    def _advance(self, coming: Sequence[tuple[FeatureState, Frames]], *, is_frame: bool) -> list[list[SlidWindow]]:
        states = [state for state, _ in coming]
        num_new, history = len(next(iter(coming[0][1].values()))), self._runtime.steps.history
        new_seen = np.full(num_new, is_frame, np.float32)
        seen = np.stack([np.concatenate([state.seen, new_seen]) for state in states])
        for stream in self._model.streams:
            together = np.stack([np.concatenate([state.history[stream], frames[stream]]) for state, frames in coming])
            inner = [state.inner[stream] for state in states]
            found, following = self._runtime.advance(stream, together, seen, _joined(inner))
            for row, state in enumerate(states):
                state.features[stream] = np.concatenate([state.features[stream], found[row]])
                state.inner[stream] = tuple(values[row : row + 1] for values in following)
                state.history[stream] = together[row, num_new:]
        for row, state in enumerate(states):
            state.seen = seen[row, seen.shape[1] - history :]
            state.forget(max(0, -state.first))  # those of frames before the stream began
        return self._answer(states)

    def _answer(self, states: Sequence[FeatureState]) -> list[list[SlidWindow]]:
        """Return of each stream the windows whose features are all there."""
        answered: list[list[SlidWindow]] = [[] for _ in states]
        while due := [row for row, state in enumerate(states) if state.num_features >= self._num_frames]:
            windows: dict[str, Features] = {
                stream: np.stack([states[row].features[stream][: self._num_frames] for row in due])
                for stream in self._model.streams
            }
            outputs = self._model.checked(self._runtime.classify(windows), len(due))
            for place, row in enumerate(due):
                answered[row].append(SlidWindow(states[row].first, _row(outputs, place)))
                states[row].forget(states[row].every)
        return answered


@dataclass(eq=False)
class ClipState:
    """What is kept of one stream: its last frames, and the number of the first of them."""

    every: int
    recent: dict[Stream, NDArray[np.uint8]]
    first: int = 0


class ClipSlider:
    """Computes every window anew, as a clip of its own."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.max_batch = model.max_batch
        self._num_frames, *self._frame_shape = model.bundle.manifest.clip_spec.shape

    def begin(self, every: int) -> ClipState:
        """See `Slider.begin`."""
        return ClipState(every, dict.fromkeys(self._model.streams, np.zeros((0, *self._frame_shape), np.uint8)))

    def add(self, coming: Sequence[tuple[ClipState, Frames]]) -> list[list[SlidWindow]]:
        """See `Slider.add`."""
        for state, frames in coming:
            state.recent = {stream: np.concatenate([recent, frames[stream]]) for stream, recent in state.recent.items()}
        answered: list[list[SlidWindow]] = [[] for _ in coming]
        while due := [(row, state) for row, (state, _) in enumerate(coming) if self._is_full(state)]:
            clips: dict[str, NDArray[np.uint8]] = {
                stream: np.stack([state.recent[stream][: self._num_frames] for _, state in due])
                for stream in self._model.streams
            }
            outputs = self._model.infer(clips)
            for place, (row, state) in enumerate(due):
                answered[row].append(SlidWindow(state.first, _row(outputs, place)))
                state.recent = {stream: recent[state.every :] for stream, recent in state.recent.items()}
                state.first += state.every
        return answered

    def end(self, _: ClipState) -> list[SlidWindow]:
        """Return nothing: no window waits."""
        return []

    def _is_full(self, state: ClipState) -> bool:
        return len(next(iter(state.recent.values()))) >= self._num_frames


def _joined(states: Sequence[States]) -> States:
    """Return the states of several streams as those of a batch."""
    return states[0] if len(states) == 1 else tuple(np.concatenate(parts) for parts in zip(*states, strict=True))


def _row(outputs: Mapping[str, NDArray[np.float32]], row: int) -> WindowOutputs:
    return {name: values[row] for name, values in outputs.items()}
