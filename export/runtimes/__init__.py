"""Engines that run a bundle's graph, behind one Protocol; a runtime is imported only when it is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from export.bundle import Bundle


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

    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Return the graph's float32 [B, N] outputs by name, for uint8 [B, T, H, W, 3] inputs by name."""
        ...


def load_runtime(bundle: Bundle, device: str = "cpu") -> Runtime:
    """Return the bundle's graph, ready to run on `device` ("cpu" or "cuda").

    Raises `UserError` when the runtime is not installed or the device is not really there.
    """
    from export.runtimes.onnxruntime import OnnxRuntime  # noqa: PLC0415  imported when chosen, as this package promises

    return OnnxRuntime(bundle.artifact("onnxruntime"), device)
