"""A bundle in a runtime: what clips it takes, and what its outputs mean."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.bundle.folder import Bundle
from export.bundle.manifest import TensorInfo
from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from export.predictor.decoded_clip import Whom
from export.predictor.results import Score
from export.runtimes import Inputs, Outputs, Runtime
from rgbd.recording.limits import Limits
from rgbd.types import Stream


@dataclass(frozen=True, eq=False)
class Model:
    """A bundle, verified, and the runtime that computes it."""

    bundle: Bundle
    runtime: Runtime

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that a request must bring."""
        return self.bundle.manifest.streams

    @property
    def max_batch(self) -> int:
        """Clips at a time."""
        return self.bundle.manifest.max_batch

    def request(
        self,
        files: tuple[StreamFile, ...],
        meta: RecordingMeta,
        limits: Limits,
        num_windows: int = 1,
        people: Whom | None = None,
    ) -> ClipRequest:
        """Return what is to be read of the files for this model, in so many windows, about which people."""
        manifest = self.bundle.manifest
        return ClipRequest(
            files=files,
            meta=meta,
            limits=limits,
            spec=manifest.clip_spec,
            streams=self.streams,
            enough=tuple(manifest.alone),
            num_windows=num_windows,
            trained_on={stream: manifest.appearance(stream) for stream in self.streams},
            preparation=manifest.preparation,
            people=people,
        )

    def infer(self, clips: Inputs) -> Outputs:
        """Return the outputs, float [B, N] by name, for clips, uint8 [B, T, H, W, 3] by stream.

        Raises `ValueError` where the runtime gives something else, or numbers that are not finite.
        """
        return self.checked(self.runtime.infer(clips), len(next(iter(clips.values()))))

    def checked(self, outputs: Outputs, num_clips: int) -> Outputs:
        """Return the outputs that the bundle names; raises `ValueError` as `infer`."""
        return {tensor.name: _checked(outputs, tensor, num_clips) for tensor in self.bundle.manifest.outputs}

    def probabilities(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the softmax over all classes of an output [..., N], after the bundle's temperature."""
        return softmax(scores, self.bundle.manifest.temperature)

    def rank(self, probabilities: NDArray[np.float64], top_k: int) -> tuple[Score, ...]:
        """Return the `top_k` best classes for probabilities [N], best first."""
        labels = self.bundle.manifest.labels
        best = np.argsort(-probabilities, kind="stable")[:top_k]
        return tuple(Score(labels[i], int(i), float(probabilities[i])) for i in best)


def softmax(scores: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """Return the probabilities of classes, float64 [..., N], by their scores [..., N] divided by the temperature."""
    scaled = scores.astype(np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(-1, keepdims=True))


def _checked(outputs: Outputs, tensor: TensorInfo, num_clips: int) -> NDArray[np.float32]:
    """Return one of the outputs; raises `ValueError` where it is not a row of finite floats for each clip."""
    if tensor.name not in outputs:
        raise ValueError(f"the runtime gave no {tensor.name}")
    values, shape = outputs[tensor.name], (num_clips, *tensor.shape[1:])
    if values.shape != shape or values.dtype.kind != "f":
        given = f"{values.dtype} {list(values.shape)}"
        raise ValueError(f"the runtime gave {tensor.name} as {given} instead of {list(shape)} floats")
    if not np.isfinite(values).all():
        raise ValueError(f"the runtime gave {tensor.name} that are not all finite")
    return values
