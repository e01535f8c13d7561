"""The network as a graph for inference: clips in, scores out."""

import torch
from torch import Tensor, nn

from training.models.fusion import FusionNet
from training.models.inference import Form, inference_form
from training.models.unimodal import UnimodalNet


class InferenceGraph(nn.Module):
    """Clips in, a tuple of scores out; with `answer_only`, of the answer alone."""

    def __init__(self, network: UnimodalNet | FusionNet, form: Form, *, answer_only: bool = False) -> None:
        super().__init__()
        self.network = inference_form(network, form)
        self.answer_only = answer_only

    def forward(self, *clips: Tensor) -> tuple[Tensor, ...]:
        """Uint8 [B, T, size, size, 3] for each stream -> float32 [B, N] for each head."""
        heads: dict[str, Tensor] = self.network(*clips).heads()
        return (heads["logits"],) if self.answer_only else tuple(heads.values())

    @torch.no_grad()
    def head_names(self, clips: tuple[Tensor, ...]) -> tuple[str, ...]:
        """Return the names of the outputs, `logits` first."""
        return ("logits",) if self.answer_only else tuple(self.network(*clips).heads())
