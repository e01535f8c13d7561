"""A model that is served: a bundle in a runtime, and what its outputs mean."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from export.bundle.folder import Bundle
from export.bundle.manifest import TensorInfo
from export.runtimes import Runtime
from rgbd.types import Stream
from serve.pace import Pace
from serve.schemas import ModelDetails, ModelReply, Prediction, TensorMetadata
from serve.statistics import ModelStatistics


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A bundle, verified, the runtime that computes it, and how that went so far."""

    name: str
    version: str
    bundle: Bundle
    runtime: Runtime
    pace: Pace = field(default_factory=Pace)
    statistics: ModelStatistics = field(default_factory=ModelStatistics)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that a request must bring."""
        return self.bundle.manifest.streams

    @property
    def max_batch(self) -> int:
        """Clips at a time."""
        return self.bundle.manifest.max_batch

    @cached_property
    def reply(self) -> ModelReply:
        """Which model this is, and what it really runs on."""
        info = self.runtime.info
        return ModelReply(
            name=self.name,
            version=self.version,
            modality=self.bundle.manifest.modality,
            runtime=info.name,
            device=info.device,
            precision=info.precision,
        )

    def details(self, versions: list[str]) -> ModelDetails:
        """Return all there is to know about this model, one of these versions."""
        manifest = self.bundle.manifest
        return ModelDetails(
            **self.reply.model_dump(),
            versions=versions,
            platform=f"{self.reply.runtime}_{self.reply.precision}",
            labels=manifest.labels,
            clip_spec=manifest.clip_spec,
            max_batch=manifest.max_batch,
            inputs=[_metadata(tensor) for tensor in manifest.inputs],
            outputs=[_metadata(tensor) for tensor in manifest.outputs],
        )

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the softmax over all classes of logits [..., N], after the bundle's temperature."""
        scaled = logits.astype(np.float64) / self.bundle.manifest.temperature
        exponentials = np.exp(scaled - scaled.max(-1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(-1, keepdims=True))

    def rank(self, scores: NDArray[np.float64], top_k: int) -> list[Prediction]:
        """Return the `top_k` best classes for probabilities [N], best first."""
        labels = self.bundle.manifest.labels
        best = np.argsort(-scores, kind="stable")[:top_k]
        return [Prediction(label=labels[i], index=int(i), score=float(scores[i])) for i in best]


def _metadata(tensor: TensorInfo) -> TensorMetadata:
    """Return a tensor in the words of the Open Inference Protocol."""
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    datatype = {"uint8": "UINT8", "float32": "FP32"}[tensor.dtype]
    return TensorMetadata(name=tensor.name, datatype=datatype, shape=shape, meaning=tensor.meaning)
