"""The model that a service serves: a bundle in a runtime, and what its outputs mean."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.bundle import Bundle, Stream
from export.pack import open_bundle
from export.runtimes import Runtime
from export.runtimes.loading import load_runtime
from serve.schemas import ModelDetails, ModelReply, Prediction, StreamPredictions


@dataclass(frozen=True)
class ServedModel:
    """A bundle, verified, and the runtime that computes it."""

    bundle: Bundle
    runtime: Runtime

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that a request must bring."""
        return self.bundle.manifest.streams

    def reply(self) -> ModelReply:
        """Return which model this is, and what it really runs on."""
        manifest, info = self.bundle.manifest, self.runtime.info
        return ModelReply(
            name=manifest.name,
            version=manifest.version,
            modality=manifest.modality,
            runtime=info.name,
            device=info.device,
            precision=info.precision,
        )

    def details(self) -> ModelDetails:
        """Return all there is to know about this model."""
        manifest = self.bundle.manifest
        return ModelDetails(
            **self.reply().model_dump(),
            labels=manifest.labels,
            clip_spec=manifest.clip_spec,
            inputs=manifest.inputs,
            outputs=manifest.outputs,
        )

    def rank(self, logits: NDArray[np.float32], top_k: int) -> list[Prediction]:
        """Return the `top_k` best classes for logits [N], best first; scores come from a softmax over all classes."""
        scaled = logits.astype(np.float64) / self.bundle.manifest.temperature
        exponentials = np.exp(scaled - scaled.max())
        scores = exponentials / exponentials.sum()
        labels = self.bundle.manifest.labels
        best = np.argsort(-scores, kind="stable")[:top_k]
        return [Prediction(label=labels[i], index=int(i), score=float(scores[i])) for i in best]

    def rank_streams(self, outputs: dict[str, NDArray[np.float32]], top_k: int) -> StreamPredictions:
        """Return what the heads of a fused model's two streams say."""
        ranked = {
            stream: self.rank(outputs[f"logits_{stream}"], top_k)
            for stream in self.streams
            if f"logits_{stream}" in outputs
        }
        return StreamPredictions(**ranked)


def load_model(path: Path, device: str, *, artifact: str | None = None, public_key: Path | None = None) -> ServedModel:
    """Return the bundle in `path`, a folder or a .zip, loaded and run once on `device`.

    The artifact is the named one, or the fastest that runs here. Raises `UserError` when that cannot be, or the bundle
    is not signed by the owner of `public_key`, if one is given.
    """
    with open_bundle(path, public_key) as bundle:
        return ServedModel(bundle, load_runtime(bundle, device, artifact))
