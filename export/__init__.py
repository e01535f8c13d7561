"""A checkpoint in; a bundle that any of the runtimes can serve out."""

import os
import sys


def switch_off_telemetry() -> None:
    """Make ONNX Runtime, OpenVINO and NNCF report nothing; to be called before one of them is imported.

    It holds for this process; ONNX Runtime is silent in those that are started from it, too, and reports where the user
    has set ORT_DISABLE_TELEMETRY to 0.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # OpenVINO and NNCF report through this package, which no variable stops. Where it cannot be imported they do
    # without it, and None is how Python is told so.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


switch_off_telemetry()  # before a module of this package imports a runtime
