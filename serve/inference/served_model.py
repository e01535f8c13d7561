"""A model that is served: by which name, and how that went so far."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np

from export.bundle.manifest import TensorInfo
from export.predictor.model import Model
from export.predictor.streams.pace import default_every
from export.predictor.streams.shared_slider import SharedSlider
from export.predictor.streams.sliding import slider_of
from export.runtimes.live import LiveRuntime
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
    live: LiveRuntime | None = None
    turns: AbstractContextManager[object] = field(default_factory=Lock)
    """Held while the graph of clips computes: by as many at a time as there are devices."""

    @cached_property
    def slider(self) -> SharedSlider:
        """What answers live streams: the graphs for them, beside that of clips, or else that."""
        return SharedSlider(slider_of(self, self.live), self.turns if self.live is None else Lock())

    @cached_property
    def live_frame_s(self) -> float:
        """Seconds that each sampled frame of a live stream takes, measured once; of one without graphs, 0."""
        return 0.0 if self.live is None else seconds_a_frame(self, self.slider)

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
            clip_s=manifest.clip_s,
            max_batch=manifest.max_batch,
            inputs=[_metadata(tensor) for tensor in manifest.inputs],
            outputs=[_metadata(tensor) for tensor in manifest.outputs],
        )


def seconds_a_frame(model: Model, slider: SharedSlider) -> float:
    """Return how long a sampled frame of a live stream takes, with the answers that come as often as by default."""
    spec = model.bundle.manifest.clip_spec
    every = default_every(spec.num_frames)
    state = slider.begin(every)

    def add(num_frames: int) -> None:
        frames = np.zeros((num_frames, *spec.shape[1:]), np.uint8)
        slider.add([(state, dict.fromkeys(model.streams, frames))])

    add(spec.num_frames)
    add(1)  # another shape than before: runtimes prepare for it
    start = time.perf_counter()
    for _ in range(every):
        add(1)
    return (time.perf_counter() - start) / every


def _metadata(tensor: TensorInfo) -> TensorMetadata:
    """Return a tensor in the words of the Open Inference Protocol."""
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    datatype = {"uint8": "UINT8", "float32": "FP32"}[tensor.dtype]
    return TensorMetadata(name=tensor.name, datatype=datatype, shape=shape, meaning=tensor.meaning)
