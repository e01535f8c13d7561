"""Whether a family of somebody else's keeps to what it is asked, found before the first epoch."""

import traceback

import numpy as np
import torch
from torch import Tensor, nn

from rgbd.errors import UserError
from training.config.schema import TrainingConfig
from training.networks.family import Family, Loss, Output, family_of

_NUM_CLIPS = 2


def check_family(network: nn.Module, config: TrainingConfig, num_classes: int) -> None:
    """Try an untrained network, and its loss, on two black clips; raises `UserError` that says what is wrong."""
    family = family_of(config)
    shape = (_NUM_CLIPS, *config.clip.shape)
    clips = tuple(torch.zeros(shape, dtype=torch.uint8) for _ in config.modalities)
    labels = torch.zeros(_NUM_CLIPS, dtype=torch.int64)
    try:
        family.set_epoch_state(network, family.epoch_state(config, epoch=0))
        with torch.no_grad():
            output: Output = network.eval()(*clips, rng=np.random.default_rng(0))
            problem = _wrong_heads(output.heads(), family, num_classes) or _wrong_loss(
                family.loss(output, labels, config, epoch=0)
            )
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        problem = (
            f"fails on {_NUM_CLIPS} black clips: {type(error).__name__}: {error} ({place.filename}:{place.lineno})"
        )
        raise UserError(f"network.name {config.network.name}: {problem}") from error
    if problem:
        raise UserError(f"network.name {config.network.name}: {problem}")


def _wrong_heads(heads: dict[str, Tensor], family: Family, num_classes: int) -> str | None:
    if not heads:
        return "its network has no heads; the first is to be the answer"
    for name, scores in heads.items():
        if name not in family.heads:
            return f"its network has a head {name!r}, and `heads` says nothing of it"
        if scores.shape != (_NUM_CLIPS, num_classes):
            return f"head {name!r} gives scores {list(scores.shape)}, expected {[_NUM_CLIPS, num_classes]}"
    return None


def _wrong_loss(loss: object) -> str | None:
    if isinstance(loss, Loss) and loss.total.shape == ():
        return None
    return f"`loss` is to return a Loss whose total is one number, and returns {type(loss).__name__}"
