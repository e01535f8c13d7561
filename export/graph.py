"""The network as a graph for inference: what training needed is folded away, the scores stay."""

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class InferenceGraph(nn.Module):
    """Clips in, a tuple of scores out; with `answer_only`, of the answer alone."""

    def __init__(self, network: nn.Module, *, answer_only: bool = False) -> None:
        super().__init__()
        self.network = fold_batch_norms(network)
        self.answer_only = answer_only

    def forward(self, *clips: Tensor) -> tuple[Tensor, ...]:
        """Uint8 [B, T, size, size, 3] for each stream -> float32 [B, N] for each head."""
        heads: dict[str, Tensor] = self.network(*clips).heads()
        return (heads["logits"],) if self.answer_only else tuple(heads.values())

    @torch.no_grad()
    def head_names(self, clips: tuple[Tensor, ...]) -> tuple[str, ...]:
        """Return the names of the outputs, `logits` first."""
        return ("logits",) if self.answer_only else tuple(self.network(*clips).heads())


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation whose batch norms are part of the layers before them.

    A batch norm that follows a convolution or a linear layer among its module's children is the one that reads it.
    """
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        for (name, layer), (norm_name, norm) in pairwise(list(module.named_children())):
            if not isinstance(norm, _NORMS):
                continue
            if isinstance(layer, nn.Linear):
                setattr(module, name, fuse_linear_bn_eval(layer, norm))
            elif isinstance(layer, nn.Conv1d | nn.Conv2d):
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
            else:
                continue
            setattr(module, norm_name, nn.Identity())
    return network
