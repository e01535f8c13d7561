"""What the network's outputs for a clip's windows say, as the answer that goes out."""

import numpy as np
from numpy.typing import NDArray

from serve.batcher import Inferred
from serve.clips import DecodedClip
from serve.models import ServedModel
from serve.schemas import ClipReply, StreamPredictions, WindowReply


class Answer:
    """The scores of a clip: the mean over its windows. Where a stream is missing, the other one's head speaks."""

    def __init__(self, model: ServedModel, decoded: DecodedClip, inferred: list[Inferred]) -> None:
        self._model, self._decoded, self._inferred = model, decoded, inferred
        self.head = "logits" if len(decoded.sent) == len(model.streams) else f"logits_{decoded.sent[0]}"
        self._scores = self._windows(self.head)
        self.scores: NDArray[np.float64] = self._scores.mean(0)

    def _windows(self, head: str) -> NDArray[np.float64]:
        return self._model.probabilities(np.stack([one.outputs[head] for one in self._inferred]))

    def streams(self, top_k: int) -> StreamPredictions:
        """Return what the heads of a fused model's streams say of what was sent."""
        ranked = {
            stream: self._model.rank(self._windows(f"logits_{stream}").mean(0), top_k)
            for stream in self._decoded.sent
            if f"logits_{stream}" in self._inferred[0].outputs
        }
        return StreamPredictions(**ranked)

    def windows(self, top_k: int) -> list[WindowReply]:
        """Return what each window shows, when there are several."""
        windows = self._decoded.windows
        if len(windows) == 1:
            return []
        return [
            WindowReply(start=window.start, end=window.end, predictions=self._model.rank(scores, top_k))
            for window, scores in zip(windows, self._scores, strict=True)
        ]

    @property
    def clip(self) -> ClipReply:
        """What was understood of the clip."""
        whole, counts = self._decoded.whole, self._decoded.whole.num_frames
        return ClipReply(
            rgb_frames=counts.get("rgb"),
            depth_frames=counts.get("depth"),
            sampled=self._model.bundle.manifest.clip_spec.num_frames,
            duration_s=round(whole.end - whole.start, 6) if self._decoded.aligned_by == "time" else None,
            aligned_by=self._decoded.aligned_by,
        )

    @property
    def warnings(self) -> list[str]:
        """What should be looked at."""
        sent, alone = self._decoded.sent, self._model.bundle.manifest.alone
        return self._decoded.warnings + [
            f"{stream} was not sent: this is what the {sent[0]} stream says alone, which was right for "
            f"{alone[sent[0]]:.1%} of the clips that the model was tried with"
            for stream in self._model.streams
            if stream not in sent
        ]
