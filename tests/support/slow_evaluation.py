"""The toy family with a network that takes its time to evaluate, so that a run can be stopped while it does."""

import time
from typing import Any, cast

from tests.support.toy_family import Toy, ToyNet, ToyNetworkConfig, ToyOutput
from training.config.schema import TrainingConfig

_BATCH_S = 0.1


class SlowNet(ToyNet):
    def forward(self, *clips: Any, rng: Any = None) -> ToyOutput:
        if not self.training:
            time.sleep(_BATCH_S)
        return super().forward(*clips, rng=rng)


class SlowToy(Toy):
    def build(self, config: TrainingConfig, num_classes: int) -> SlowNet:
        return SlowNet(config.modalities, cast(ToyNetworkConfig, config.network).channels, num_classes)


FAMILY = SlowToy()
