"""From a checkpoint to a bundle that a service can load, and from a bundle to answers: `load_model`."""

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.predictor.predictor import load_model

__all__ = ["load_model", "switch_off_telemetry"]


def switch_off_telemetry() -> None:
    """Make ONNX Runtime, OpenVINO and NNCF report nothing; to be called before one of them is imported.

    It holds for this process; ONNX Runtime is silent in those that are started from it, too, and reports where the user
    has set ORT_DISABLE_TELEMETRY to 0.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    if (runtime := sys.modules.get("onnxruntime")) is not None:  # it was imported first, and asks no variable any more
        runtime.disable_telemetry_events()
    # OpenVINO and NNCF report through this package, which no variable stops. Where it cannot be imported they do
    # without it; None is Python's sign for such a module.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def __getattr__(name: str) -> Any:
    """Return `load_model`, and import what it needs only then: commands and the service begin with this module, too."""
    if name != "load_model":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from export.predictor.predictor import load_model  # noqa: PLC0415

    return load_model


switch_off_telemetry()  # before a module of this package imports a runtime
