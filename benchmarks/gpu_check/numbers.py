"""Forward pass, loss and gradients in float32 beside those of the CPU, with the same weights and clips."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gpu_check.networks import NAMES, config_of, seeded_clips, seeded_network, use_tf32
from benchmarks.gpu_check.rows import Row, compared
from rgbd.types import Modality
from training.config.schema import TrainingConfig
from training.networks.family import answer_of, family_of

_BATCH, _STRIDE = 2, 2  # every other pixel: the CPU would need minutes for whole ones
# Of float32 the order of summation differs. Gradients carry its flips of ReLU and top-k: 8 % of the first family's
# norms are further than 1e-3 from the reference's on the CPU already.
_SCORES, _LOSS, _GRADIENT = 1e-3, 1e-3, 5e-2


def check(device: str, _folder: Path) -> Iterator[Row]:
    yield from compare(device, "dsn", "rgb")
    yield from compare(device, "dsn", "rgbd")


def compare(device: str, family: str, modality: Modality) -> Iterator[Row]:
    """Yield how far a network lies from itself on the CPU, in relation to what there is there."""
    use_tf32(False)
    config = config_of(device, family, modality)
    here, there = _computed(config, "cpu"), _computed(config, device)
    name = f"{family} {modality}"
    yield compared(f"{name}: scores, from the CPU's", _distance(there.scores, here.scores), _SCORES)
    yield compared(f"{name}: loss, from the CPU's", _distance(there.loss, here.loss), _LOSS)
    yield compared(f"{name}: gradient, from the CPU's", _distance(there.gradient, here.gradient), _GRADIENT)


@dataclass(frozen=True)
class _Computed:
    scores: Tensor
    loss: Tensor
    gradient: Tensor  # of all weights, in one row


def _computed(config: TrainingConfig, device: str) -> _Computed:
    """Return what a device computes in evaluation, where no dropout is drawn."""
    network = seeded_network(config).eval().to(device)
    clips = (clip[:, :, ::_STRIDE, ::_STRIDE].to(device) for clip in seeded_clips(config, _BATCH))
    labels = (torch.arange(_BATCH) % len(NAMES)).to(device)
    output = network(*clips)
    loss = family_of(config).loss(output, labels, config, config.schedule.warmup_epochs + 1).total
    loss.backward()
    gradients = [each.grad.flatten().cpu() for each in network.parameters() if each.grad is not None]
    return _Computed(answer_of(output).detach().cpu(), loss.detach().cpu(), torch.cat(gradients))


def _distance(value: Tensor, expected: Tensor) -> float:
    return float((value.double() - expected.double()).norm() / expected.double().norm())
