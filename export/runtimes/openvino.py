"""OpenVINO on the CPU, in float32, or in bfloat16 and int8 where the processor computes them."""

from pathlib import Path

import numpy as np
import openvino

from export.runtimes import Inputs, Outputs, RuntimeInfo
from rgbd.errors import UserError

# What OpenVINO computes in where the graph does not say int8.
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
_CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}


def can_compute(precision: str) -> bool:
    """Whether this processor has instructions for the precision."""
    return _CAPABILITIES.get(precision) in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def settings_of(precision: str) -> dict[str, str]:
    """Return OpenVINO's settings for an artifact of this precision."""
    hint = _HINTS[precision] if can_compute("bf16") else "f32"
    return {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}


class OpenVinoRuntime:
    """An OpenVINO IR, or an ONNX file, compiled for this processor."""

    def __init__(self, path: Path, precision: str) -> None:
        settings = settings_of(precision)
        try:
            model = openvino.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as error:
            raise UserError(f"{path}: OpenVINO {openvino.__version__} cannot load it ({error})") from error
        # OpenVINO takes another type where it has to: what is active is asked, never assumed.
        active = model.get_property("INFERENCE_PRECISION_HINT").to_string()
        if active != settings["INFERENCE_PRECISION_HINT"]:
            raise UserError(f"{path}: OpenVINO computes it in {active} here; choose another artifact than {precision}")
        self._request = model.create_infer_request()
        self.info = RuntimeInfo("openvino", "cpu", precision)

    def infer(self, inputs: Inputs) -> Outputs:
        """Return float32 [B, N] outputs by name; see `Runtime.infer`. Not for several threads at a time."""
        results = self._request.infer(dict(inputs), share_inputs=True)
        # OpenVINO may have merged an output with the tensor that it copies; it goes by both names then.
        return {name: np.array(value, np.float32) for port, value in results.items() for name in port.get_names()}
