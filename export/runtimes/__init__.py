"""Engines that run a bundle's graph, behind one Protocol; a runtime is imported only when it is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Inputs = Mapping[str, NDArray[Any]]
Outputs = dict[str, NDArray[np.float32]]

Shapes = Mapping[str, tuple[int, ...]]
"""Of inputs, by name."""


@dataclass(frozen=True)
class RuntimeInfo:
    """What really runs the graph, as checked after loading."""

    name: str
    device: str
    precision: str


class Runtime(Protocol):
    """A loaded graph."""

    @property
    def info(self) -> RuntimeInfo:
        """What runs the graph."""
        ...

    def infer(self, inputs: Inputs) -> Outputs:
        """Return the graph's float32 [B, N] outputs by name, for uint8 [B, T, H, W, 3] inputs by name."""
        ...
