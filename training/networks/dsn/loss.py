"""The losses of both networks, term by term."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from training.config import schema
from training.networks.dsn.config import LossConfig
from training.networks.dsn.fusion import FusionOutput, StreamOutput
from training.networks.dsn.single_stream import UnimodalOutput
from training.networks.family import Loss, cross_entropy

# The reference sums the distillation over a batch, so it grows with the batch. Ours is a mean, scaled to equal the
# reference at its published batch of 6.
REFERENCE_BATCH = 6


def unimodal_loss(
    output: UnimodalOutput, labels: Tensor, config: LossConfig, *, distil: float, sum_distillation: bool
) -> Loss:
    """Return the loss of one stream. Source: docs/method.md, "Loss of one stream"."""
    distilled = distillation(output, config.distillation_temperature, summed=sum_distillation)
    return weighted(output.heads(), labels, config, config.heads, distil, distilled)


def weighted(
    heads: Mapping[str, Tensor],
    labels: Tensor,
    config: schema.LossConfig,
    weights: Sequence[float],
    distil: float,
    distilled: Tensor,
) -> Loss:
    """Return the loss of a stream's fused, small, medium and large head, in this order, and of its distillation."""
    names = ("ce_fused", "ce_small", "ce_medium", "ce_large")
    terms = {name: cross_entropy(scores, labels, config) for name, scores in zip(names, heads.values(), strict=True)}
    total = sum((w * ce for w, ce in zip(weights, terms.values(), strict=True)), distil * distilled)
    return Loss(total, {**terms, "distillation": distilled})


def fusion_loss(
    output: FusionOutput, labels: Tensor, config: LossConfig, *, distil: float, sum_distillation: bool
) -> Loss:
    """Return the loss of the fusion network. Source: docs/method.md, "Loss of the fusion network"."""
    rgb, depth = output.rgb, output.depth
    terms = {
        "ce": sum(
            (cross_entropy(x, labels, config) for x in (output.logits, rgb.logits, depth.logits)),
            output.logits.new_zeros(()),
        ),
        # RGB is 1, depth is 0. With logits, because the plain form is refused under autocast.
        "bce": F.binary_cross_entropy_with_logits(rgb.modality, torch.ones_like(rgb.modality))
        + F.binary_cross_entropy_with_logits(depth.modality, torch.zeros_like(depth.modality)),
        "mse": F.mse_loss(output.decoded, rgb.feature) + F.mse_loss(output.decoded, depth.feature),
        "distillation": sum(
            (distillation(x, config.distillation_temperature, summed=sum_distillation) for x in (rgb, depth)),
            output.logits.new_zeros(()),
        ),
    }
    return Loss(terms["ce"] + terms["bce"] + terms["mse"] + distil * terms["distillation"], terms)


def distillation(output: UnimodalOutput | StreamOutput, temperature: float, *, summed: bool) -> Tensor:
    """Return the KL divergence, summed over features, of the recoupling's feature from the mean class token.

    Without recoupling there is none: 0.
    """
    if output.student is None:
        return output.teacher.new_zeros(())
    teacher = (output.teacher / temperature).softmax(-1)
    log_ratio = (output.teacher / temperature).log_softmax(-1) - (output.student / temperature).log_softmax(-1)
    per_sample = (teacher * log_ratio).sum(-1)
    return per_sample.sum() if summed else per_sample.mean() * REFERENCE_BATCH
