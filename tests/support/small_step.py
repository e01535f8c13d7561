"""A small network of one stream, and what a step of its optimizer takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from training.config.schema import TrainingConfig
from training.data.loader import Batch
from training.run.checkpoint import build_network
from training.run.distributed import Process
from training.run.step import Stepper

WARM = 3  # an epoch, from 0, in which the warm-up is over
ALONE = Process(0, 1, torch.device("cpu"))
SMALL = {
    "modality": "rgb",
    "clip": {"num_frames": 8, "resize": [64, 48], "crop": 48, "size": 32},
    "network": {"width": 0.125, "branch_frames": [2, 4, 6], "num_blocks": 1, "num_heads": 4, "guidance_window": 3},
    "optimizer": {"lr": 0.1},
}


def config(**sections: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({**SMALL, **sections})


def batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randint(0, 255, (4, 8, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return Batch((clips,), torch.tensor([0, 1, 2, 1]), torch.arange(4))


def stepper(settings: TrainingConfig) -> Stepper:
    torch.manual_seed(0)
    return Stepper(build_network(settings, 3), settings, ALONE)


def draws(count: int) -> Sequence[np.random.Generator]:
    return [np.random.default_rng(5) for _ in range(count)]
