"""Numbers that are not finite - NaN or infinite: no loss, gradient, weight or score may be one."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from rgbd.errors import UserError

_NAMED = 3  # examples in a message


class NotFiniteError(UserError):
    """A loss, a gradient, weights or scores are NaN or infinite."""


def name_not_finite(state: Mapping[str, Any]) -> str:
    """Return the names of the tensors in a nested state that hold NaN or an infinite number, "" where none does."""
    names = [name for name, tensor in _tensors(state, "") if not torch.isfinite(tensor).all()]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _tensors(part, f"{name}.{key}" if name else str(key))
