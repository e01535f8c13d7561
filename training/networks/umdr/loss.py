"""The loss of one stream, term by term; that of the fusion is cross-entropy, of each stream."""

import torch
from torch import Tensor

from training.networks.dsn.loss import weighted
from training.networks.family import Loss
from training.networks.umdr.config import LossConfig
from training.networks.umdr.single_stream import UnimodalOutput


def unimodal_loss(
    output: UnimodalOutput, labels: Tensor, config: LossConfig, *, distil: float, attached_teacher: bool
) -> Loss:
    """Return the loss of one stream; `distil` weighs the distillation. Source: docs/method.md, "The second family"."""
    distilled = distillation(output, config.distillation_temperature, attached_teacher=attached_teacher)
    return weighted(output.heads(), labels, config, config.heads, distil, distilled)


def distillation(output: UnimodalOutput, temperature: float, *, attached_teacher: bool) -> Tensor:
    """Return the cross-entropy of what each recoupling says and what the branches' class tokens do, mean over depths.

    An attached teacher is moved by it, too.
    """
    teachers = torch.stack(output.teachers)
    soft = ((teachers if attached_teacher else teachers.detach()) / temperature).softmax(-1)
    return -(soft * (torch.stack(output.students) / temperature).log_softmax(-1)).sum(-1).mean()
