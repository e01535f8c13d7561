"""A family of networks as somebody else would write it: a few convolutions, a mean, heads of other names and number.

`network.name: tests.support.toy_family:FAMILY` is all that the project is told of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from rgbd.types import Stream
from training.config import schema
from training.config.families import Sections
from training.config.schema import TrainingConfig
from training.networks.explanation import Explanation, FrameMaps, StreamExplanation, array_of, head_similarity
from training.networks.family import Family, Head, Int8Rules, Loss, Output


class ToyNetworkConfig(schema.NetworkConfig):
    """Shape of the network."""

    channels: int = Field(8, ge=1, description="of the first convolution")


class ToyScheduleConfig(schema.ScheduleConfig):
    """What changes from epoch to epoch."""

    sharpening: float = Field(0.1, ge=0, description="what the scores' factor grows by in an epoch, from 1")


@dataclass
class ToyOutput:
    """Class scores [B, N] by head."""

    scores: dict[str, Tensor]

    def heads(self) -> dict[str, Tensor]:
        """Return every head's scores; the verdict is the answer."""
        return self.scores


class ToyNet(nn.Module):
    """Frames, convolved and averaged over space and time: a head, and where there are two streams one of each, too."""

    def __init__(self, streams: Sequence[Stream], channels: int, num_classes: int) -> None:
        super().__init__()
        self.eyes = nn.ModuleDict({stream: _eye(channels) for stream in streams})
        with_own = streams if len(streams) > 1 else ()
        self.own = nn.ModuleDict({stream: nn.Linear(2 * channels, num_classes) for stream in with_own})
        self.verdict = nn.Linear(2 * channels * len(streams), num_classes)
        self.sharpness = 1.0

    def features(self, stream: str, clips: Tensor) -> Tensor:
        """Uint8 clips [B, T, H, W, 3] -> [B, T, C, h, w]."""
        frames = clips.flatten(0, 1).float().permute(0, 3, 1, 2) / 255 - 0.5
        features: Tensor = self.eyes[stream](frames)
        return features.unflatten(0, clips.shape[:2])

    def forward(self, *clips: Tensor, rng: np.random.Generator | None = None) -> ToyOutput:
        """Uint8 clips [B, T, H, W, 3] of each stream -> class scores; `rng` draws half of the frames."""
        if rng is not None:
            num_frames = clips[0].shape[1]
            drawn = torch.from_numpy(rng.permutation(num_frames)[: num_frames // 2])
            clips = tuple(clip[:, drawn] for clip in clips)
        seen = {stream: self.features(stream, clip) for stream, clip in zip(self.eyes, clips, strict=True)}
        return self.judge({stream: features.mean((1, 3, 4)) for stream, features in seen.items()})

    def judge(self, means: Mapping[str, Tensor]) -> ToyOutput:
        """Turn the streams' means [B, C] into scores."""
        together = F.layer_norm(torch.cat(list(means.values()), 1), (self.verdict.in_features,))
        verdict = self.verdict(F.dropout(together, 0.1, self.training))
        own = {f"of_{stream}": head(means[stream]) for stream, head in self.own.items()}
        return ToyOutput({name: scores * self.sharpness for name, scores in {"verdict": verdict, **own}.items()})


def _eye(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, channels, 5, stride=2), nn.ReLU(), nn.Conv2d(channels, 2 * channels, 3, stride=2), nn.ReLU()
    )


_HEADS = {
    "verdict": Head("class scores before softmax: the answer"),
    "of_rgb": Head("scores of the RGB stream alone", "rgb"),
    "of_depth": Head("scores of the depth stream alone", "depth"),
}


class Toy(Family):
    """What the project is told of these networks."""

    sections = Sections(ToyNetworkConfig, schema.LossConfig, ToyScheduleConfig, schema.LegacyConfig)
    heads = _HEADS
    needs_streams = True
    int8 = Int8Rules(parts=r"eyes[./]", elsewhere="the heads are small", kept={})

    def build(self, config: TrainingConfig, num_classes: int) -> ToyNet:
        """See `Family.build`."""
        return ToyNet(config.modalities, cast(ToyNetworkConfig, config.network).channels, num_classes)

    def loss(self, output: Output, labels: Tensor, config: TrainingConfig, epoch: int) -> Loss:  # noqa: ARG002
        """Return the cross-entropy of every head."""
        smoothing = config.loss.label_smoothing
        heads = output.heads().items()
        terms = {name: F.cross_entropy(scores, labels, label_smoothing=smoothing) for name, scores in heads}
        return Loss(torch.stack(list(terms.values())).sum(), terms)

    def epoch_state(self, config: TrainingConfig, epoch: int) -> dict[str, float]:
        """Return how sharp the scores are."""
        return {"sharpness": 1 + epoch * cast(ToyScheduleConfig, config.schedule).sharpening}

    def set_epoch_state(self, network: nn.Module, state: Mapping[str, float]) -> None:
        """See `Family.set_epoch_state`."""
        cast(ToyNet, network).sharpness = state["sharpness"]

    def join_streams(self, network: nn.Module, streams: Mapping[Stream, nn.Module]) -> None:
        """Take the streams' eyes; the heads begin anew."""
        for stream, trained in streams.items():
            cast(ToyNet, network).eyes[stream].load_state_dict(cast(ToyNet, trained).eyes[stream].state_dict())

    def low_precision(self, network: nn.Module) -> Sequence[str]:
        """Return the eyes."""
        return [f"eyes.{stream}" for stream in cast(ToyNet, network).eyes]

    def explain(self, network: nn.Module, clips: tuple[Tensor, ...], label: int) -> Explanation:  # noqa: ARG002
        """Show where the eyes see most."""
        toy = cast(ToyNet, network.eval())
        seen = [toy.features(stream, clip)[0].mean(1) for stream, clip in zip(toy.eyes, clips, strict=True)]
        maps = [
            FrameMaps("sight", array_of(values / values.max().clamp(min=1e-12)), over_frames=True) for values in seen
        ]
        heads = toy(*clips).heads()
        streams = tuple(StreamExplanation((each,), {}) for each in maps)
        return Explanation("Where the eyes see most.", streams, head_similarity(heads), tuple(heads))


FAMILY = Toy()
