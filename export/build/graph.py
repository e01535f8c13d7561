"""The network as a graph for inference: clips in, scores out."""

from collections.abc import Mapping
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor, nn

from export.bundle.manifest import Precision
from rgbd.errors import UserError
from training.networks.family import Family, Form, Int8Rules, family_of
from training.run.checkpoint import Checkpoint

_Scores = TypeVar("_Scores")

_DTYPES: dict[Precision, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}


class InferenceGraph(nn.Module):
    """Clips in, a tuple of scores out, the answer first; with `answer_only`, the answer alone.

    In "fp16" and "bf16" the parts that the family names compute in that precision, all else in float32. Raises
    `UserError` where it names none.
    """

    def __init__(
        self,
        network: nn.Module,
        family: Family,
        form: Form,
        precision: Precision = "fp32",
        *,
        answer_only: bool = False,
    ) -> None:
        super().__init__()
        self.network = family.inference_form(network, form)
        self.precision, self.answer_only = precision, answer_only
        if precision in _DTYPES:
            names = family.low_precision(self.network)
            if not names:
                raise UserError(f"{precision}: this family of networks names no part that may compute so; leave it out")
            for name in names:
                _compute_in(self.network.get_submodule(name), _DTYPES[precision])

    def forward(self, *clips: Tensor) -> tuple[Tensor, ...]:
        """Uint8 [B, T, H, W, 3] for each stream -> float32 [B, N] for each head."""
        return tuple(exported_heads(self.network(*clips).heads(), answer_only=self.answer_only).values())


def exported_heads(heads: Mapping[str, _Scores], *, answer_only: bool) -> dict[str, _Scores]:
    """Return the heads that a graph has, the answer first; with `answer_only`, the answer alone."""
    return dict(islice(heads.items(), 1 if answer_only else None))


def _compute_in(module: nn.Module, dtype: torch.dtype) -> None:
    """Let a module compute in another type between its inputs and its output, which stays float32."""

    def lower(_module: nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(values.to(dtype) if isinstance(values, Tensor) else values for values in inputs)

    module.to(dtype)
    module.register_forward_pre_hook(lower)
    module.register_forward_hook(lambda _module, _inputs, output: output.float())


def int8_rules(checkpoint: Checkpoint) -> Int8Rules:
    """Return what of the network may compute in int8; raises `UserError` where its family names nothing."""
    name = checkpoint.config.network.name
    rules = family_of(checkpoint.config).int8
    if rules is None:
        raise UserError(f"int8: the family {name} names no part that may be quantized; leave int8 out of --precision")
    return rules
