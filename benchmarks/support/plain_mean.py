"""The plainest network over the same frames: the spatial part of the first family, its mean over time, one layer.

What the method does with time is worth what it is better than this. `network.name:
benchmarks.support.plain_mean:FAMILY`; it has the settings of the first family, and heeds those of the spatial part.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

import numpy as np
from torch import Tensor, nn

from training.config.families import Sections
from training.config.schema import TrainingConfig
from training.networks.dsn.config import LegacyConfig, LossConfig, NetworkConfig, ScheduleConfig
from training.networks.dsn.guidance import normalise
from training.networks.dsn.inception import SpatialNet
from training.networks.dsn.schedule import tau
from training.networks.family import Family, Head, Loss, Output, cross_entropy


class _Answer(NamedTuple):
    """Class scores [B, N]."""

    logits: Tensor

    def heads(self) -> dict[str, Tensor]:
        """Return the only head's scores."""
        return {"logits": self.logits}


class _PlainNet(nn.Module):
    """Uint8 frames [B, T, H, W, 3] -> class scores; of time only the spatial part's pools over three frames know."""

    def __init__(self, config: NetworkConfig, num_classes: int) -> None:
        super().__init__()
        self.spatial = SpatialNet(config.width, config.dim, config.batchnorm_momentum, guided=False)
        self.head = nn.Sequential(nn.LayerNorm(config.dim), nn.Linear(config.dim, num_classes))
        self.tau = 1.0

    def forward(self, frames: Tensor, rng: np.random.Generator | None = None) -> _Answer:  # noqa: ARG002
        """Nothing is drawn."""
        return _Answer(self.head(self.spatial(normalise(frames), None).mean(1)) / self.tau)


class PlainMean(Family):
    """The network above as a family."""

    sections = Sections(NetworkConfig, LossConfig, ScheduleConfig, LegacyConfig)
    heads: Mapping[str, Head] = {"logits": Head("class scores before softmax: the answer")}
    weighs_classes = True

    def build(self, config: TrainingConfig, num_classes: int) -> nn.Module:
        """Return the network of one stream."""
        return _PlainNet(cast(NetworkConfig, config.network), num_classes)

    def loss(self, output: Output, labels: Tensor, config: TrainingConfig, epoch: int) -> Loss:  # noqa: ARG002
        """Return the cross-entropy."""
        loss = cross_entropy(cast(_Answer, output).logits, labels, config.loss)
        return Loss(loss, {"ce": loss.detach()})

    def epoch_state(self, config: TrainingConfig, epoch: int) -> dict[str, float]:
        """Return the temperature of the head."""
        return {"tau": tau(epoch, cast(ScheduleConfig, config.schedule))}

    def set_epoch_state(self, network: nn.Module, state: Mapping[str, float]) -> None:
        """Set the temperature of the head."""
        cast(_PlainNet, network).tau = state["tau"]


FAMILY = PlainMean()
