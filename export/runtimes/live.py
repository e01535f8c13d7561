"""A network for streams without end: states go in and come out, and windows slide over features."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.bundle.folder import Bundle
from export.bundle.manifest import LiveArtifact, LiveSteps
from export.runtimes import Inputs, Outputs, Runtime, RuntimeInfo
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
        """Return features [B, T, dim] of whole clips, uint8 [B, T, H, W, 3]."""
        outputs = self.features[stream].infer(whole_clips(self.steps, clips))
        return outputs["features"][:, self.steps.lag :]

    def infer(self, inputs: Inputs) -> Outputs:
        """Return scores of whole clips; see `Runtime.infer`."""
        return self.classify({stream: self.features_of(stream, inputs[stream]) for stream in self.features})


def first_states(steps: LiveSteps, batch: int) -> States:
    """Return the states of streams that have no frames yet."""
    return tuple(np.zeros((batch, *shape), np.float32) for shape in steps.state_shapes)


def whole_clips(steps: LiveSteps, clips: NDArray[np.uint8]) -> Inputs:
    """Return what the graph of features takes of whole clips, uint8 [B, T, H, W, 3]; features begin behind the lag."""
    around = ((0, 0), (steps.history, steps.lag))
    frames = np.pad(clips, (*around, *((0, 0),) * (clips.ndim - 2)))
    seen = np.pad(np.ones(clips.shape[:2], np.float32), around)
    return {"frames": frames, "seen": seen, **_named(first_states(steps, len(clips)))}


def _named(states: States) -> dict[str, NDArray[np.float32]]:
    return {f"state_{number}": state for number, state in enumerate(states)}


def load_live_artifact(bundle: Bundle, artifact: LiveArtifact, device: str) -> LiveRuntime:
    """Load the graphs of one artifact; raises `UserError` where its runtime refuses them, or it is not known."""
    live = bundle.manifest.live
    assert live is not None  # the artifact is of it

    def load(path: str) -> Runtime:
        max_batch = bundle.manifest.max_batch
        return spec_of(artifact).load(bundle.folder / path, artifact.precision, device, max_batch, None)

    return LiveRuntime(
        live.steps, {stream: load(path) for stream, path in artifact.features.items()}, load(artifact.head)
    )
