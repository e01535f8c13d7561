"""The network as a graph for inference: clips in, scores out."""

import torch
from torch import Tensor, nn

from export.bundle.manifest import Precision
from training.networks.dsn.fusion import FusionNet
from training.networks.dsn.inference import Form, inference_form
from training.networks.dsn.single_stream import UnimodalNet

_DTYPES: dict[Precision, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}


class InferenceGraph(nn.Module):
    """Clips in, a tuple of scores out; with `answer_only`, of the answer alone.

    In "fp16" and "bf16" the spatial part computes in that precision, which is nine tenths of the work. Guidance stays
    in float32, because it decides by thresholds, and so do the temporal part and the heads, which take little time.
    """

    def __init__(
        self, network: UnimodalNet | FusionNet, form: Form, precision: Precision = "fp32", *, answer_only: bool = False
    ) -> None:
        super().__init__()
        self.network = inference_form(network, form)
        self.precision, self.answer_only = precision, answer_only
        if precision in _DTYPES:
            for name, module in self.network.named_modules():
                if name.rpartition(".")[2] == "spatial":
                    _compute_in(module, _DTYPES[precision])

    def forward(self, *clips: Tensor) -> tuple[Tensor, ...]:
        """Uint8 [B, T, H, W, 3] for each stream -> float32 [B, N] for each head."""
        heads: dict[str, Tensor] = self.network(*clips).heads()
        return (heads["logits"],) if self.answer_only else tuple(heads.values())

    @torch.no_grad()
    def head_names(self, clips: tuple[Tensor, ...]) -> tuple[str, ...]:
        """Return the names of the outputs, `logits` first."""
        return ("logits",) if self.answer_only else tuple(self.network(*clips).heads())


def _compute_in(module: nn.Module, dtype: torch.dtype) -> None:
    """Let a module compute in another type between its inputs and its output, which stays float32."""

    def lower(_module: nn.Module, inputs: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
        return tuple(None if values is None else values.to(dtype) for values in inputs)

    module.to(dtype)
    module.register_forward_pre_hook(lower)
    module.register_forward_hook(lambda _module, _inputs, output: output.float())
