"""A network for streams without end: states go in and come out, and windows slide over features."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.bundle.folder import Bundle
from export.bundle.manifest import LiveArtifact, LiveSteps
from export.runtimes import Inputs, Outputs, Runtime, RuntimeInfo, Shapes
from export.runtimes.registry import spec_of
from rgbd.types import Stream

Features = NDArray[np.float32]
"""Of frames, [B, n, dim]."""

States = tuple[NDArray[np.float32], ...]
"""What a stream's next features need of the frames before, each [B, ...]."""


@dataclass(frozen=True, eq=False)
class LiveRuntime:
    """Loaded graphs: of each stream's features, and of the head. Not for several threads at a time.

    As a `Runtime` it answers whole clips, which begin and end as streams do.
    """

    steps: LiveSteps
    features: Mapping[Stream, Runtime]
    head: Runtime

    @property
    def info(self) -> RuntimeInfo:
        """What runs the graphs."""
        return self.head.info

    def advance(
        self, stream: Stream, frames: NDArray[np.uint8], seen: NDArray[np.float32], states: States
    ) -> tuple[Features, States]:
        """Return features [B, n, dim] and the next states for n new frames of each of B streams.

        frames: uint8 [B, history + n, H, W, 3], the new ones last. seen: [B, history + n], 1 for a frame, 0 for what is
        none. The features are of the n frames that end `lag` before the last.
        """
        outputs = self.features[stream].infer({"frames": frames, "seen": seen, **_named(states)})
        return outputs["features"], tuple(outputs[f"next_{number}"] for number in range(len(states)))

    def classify(self, features: Inputs) -> Outputs:
        """Return the scores of windows, float32 [B, N] by head, for the features of their frames, [B, T, dim]."""
        return self.head.infer(features)

    def features_of(self, stream: Stream, clips: NDArray[np.uint8]) -> Features:
        """Return features [B, T, dim] of whole clips, uint8 [B, T, H, W, 3]; the last frame comes by itself."""
        frames, seen = _framed(self.steps, clips)
        states, last = first_states(self.steps, len(clips)), self.steps.history + 1
        found, states = self.advance(stream, frames[:, :-1], seen[:, :-1], states)
        one, _ = self.advance(stream, frames[:, -last:], seen[:, -last:], states)
        return np.concatenate([found, one], axis=1)[:, self.steps.lag :]

    def infer(self, inputs: Inputs) -> Outputs:
        """Return scores of whole clips; see `Runtime.infer`."""
        return self.classify({stream: self.features_of(stream, inputs[stream]) for stream in self.features})


def first_states(steps: LiveSteps, batch: int) -> States:
    """Return the states of streams that have no frames yet."""
    return tuple(np.zeros((batch, *shape), np.float32) for shape in steps.state_shapes)


def whole_clips(steps: LiveSteps, clips: NDArray[np.uint8]) -> Inputs:
    """Return what the graph of features takes of whole clips, uint8 [B, T, H, W, 3]; features begin behind the lag."""
    frames, seen = _framed(steps, clips)
    return {"frames": frames, "seen": seen, **_named(first_states(steps, len(clips)))}


def _framed(steps: LiveSteps, clips: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return clips with as many frames before and behind them as features reach, and which of all are frames."""
    around = ((0, 0), (steps.history, steps.lag))
    frames = np.pad(clips, (*around, *((0, 0),) * (clips.ndim - 2)))
    return frames, np.pad(np.ones(clips.shape[:2], np.float32), around)


def _named(states: States) -> dict[str, NDArray[np.float32]]:
    return {f"state_{number}": state for number, state in enumerate(states)}


@dataclass(frozen=True, eq=False)
class _FixedForOne:
    """A graph of features that has another form for one new frame of one stream, the usual case."""

    of_any: Runtime
    of_one: Runtime
    shapes: Shapes

    @property
    def info(self) -> RuntimeInfo:
        """See `Runtime.info`."""
        return self.of_any.info

    def infer(self, inputs: Inputs) -> Outputs:
        """See `Runtime.infer`."""
        is_one = all(inputs[name].shape == shape for name, shape in self.shapes.items())
        return (self.of_one if is_one else self.of_any).infer(inputs)


def load_live_artifact(bundle: Bundle, artifact: LiveArtifact, device: str) -> LiveRuntime:
    """Load the graphs of one artifact; raises `UserError` where its runtime refuses them, or it is not known."""
    live = bundle.manifest.live
    assert live is not None  # the artifact is of it
    spec, precision, one_frame = spec_of(artifact), artifact.precision, _shapes_of_one(live.steps, bundle)

    def load(name: str) -> Runtime:
        return spec.load(bundle.folder / name, precision, device, bundle.manifest.max_batch, None)

    def load_features(name: str) -> Runtime:
        if spec.load_fixed is None:
            return load(name)
        fixed = spec.load_fixed(bundle.folder / name, precision, device, one_frame)
        return _FixedForOne(load(name), fixed, one_frame)

    features = {stream: load_features(name) for stream, name in artifact.features.items()}
    return LiveRuntime(live.steps, features, load(artifact.head))


def _shapes_of_one(steps: LiveSteps, bundle: Bundle) -> Shapes:
    """Return the shapes of what a graph of features takes for one new frame of one stream."""
    num_frames, (_, *frame_shape) = steps.history + 1, bundle.manifest.clip_spec.shape
    states = _named(first_states(steps, 1))
    return {
        "frames": (1, num_frames, *frame_shape),
        "seen": (1, num_frames),
        **{name: state.shape for name, state in states.items()},
    }
