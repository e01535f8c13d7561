"""A model that is served: by which name, and how that went so far."""

from dataclasses import dataclass, field
from functools import cached_property

from export.bundle.manifest import TensorInfo
from export.predictor.model import Model
from serve.inference.latency import Latency
from serve.observability.statistics import ModelStatistics
from serve.schemas import ModelDetails, ModelReply, TensorMetadata


@dataclass(frozen=True, eq=False)
class ServedModel(Model):
    """A model with the name that requests know it by, and how it went so far."""

    name: str
    version: str
    latency: Latency = field(default_factory=Latency)
    statistics: ModelStatistics = field(default_factory=ModelStatistics)

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
            preparation=manifest.preparation,
            alone=tuple(manifest.alone),
            max_batch=manifest.max_batch,
            inputs=[_metadata(tensor) for tensor in manifest.inputs],
            outputs=[_metadata(tensor) for tensor in manifest.outputs],
        )


def _metadata(tensor: TensorInfo) -> TensorMetadata:
    """Return a tensor in the words of the Open Inference Protocol."""
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    datatype = {"uint8": "UINT8", "float32": "FP32"}[tensor.dtype]
    return TensorMetadata(name=tensor.name, datatype=datatype, shape=shape, meaning=tensor.meaning)
