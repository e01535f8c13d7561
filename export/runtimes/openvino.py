"""OpenVINO on the CPU, in float32, or in bfloat16 and int8 where the processor computes them."""

import logging
from pathlib import Path

import numpy as np
import openvino

from export.runtimes import Inputs, Outputs, RuntimeInfo
from preprocess.errors import UserError

# Of garbage it is 1 and more; of bfloat16 a few hundredths.
MAX_RELATIVE_DIFFERENCE = 0.5

# What OpenVINO computes in where the graph does not say int8.
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
_CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}

_logger = logging.getLogger(__name__)


def can_compute(precision: str) -> bool:
    """Whether this processor has instructions for the precision."""
    return _CAPABILITIES[precision] in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def settings_of(precision: str) -> dict[str, str]:
    """Return OpenVINO's settings for an artifact of this precision."""
    hint = _HINTS[precision] if can_compute("bf16") else "f32"
    return {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}


class OpenVinoRuntime:
    """An OpenVINO IR, or an ONNX file, compiled for this processor."""

    def __init__(self, path: Path, precision: str = "fp32", *, num_threads: int = 0) -> None:
        if not can_compute(precision):
            raise UserError(f"this processor has no {precision} instructions; choose an artifact of another precision")
        self._path, self._num_threads = path, num_threads
        self.info = RuntimeInfo("openvino", "cpu", precision)
        self._request = self._compile(precision)
        if precision != "fp32":
            self._check_low_precision()

    def _compile(self, precision: str) -> openvino.InferRequest:
        settings = settings_of(precision)
        if self._num_threads:
            settings["INFERENCE_NUM_THREADS"] = str(self._num_threads)
        try:
            return openvino.Core().compile_model(str(self._path), "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise UserError(f"{self._path}: OpenVINO {openvino.__version__} cannot load it ({error})") from error

    def _check_low_precision(self) -> None:
        """Go on in float32, loudly, where low precision answers something else on a seeded clip.

        Some shapes of convolutions in bfloat16 return garbage on processors with AMX.
        """
        rng = np.random.default_rng(0)
        clips = {
            port.get_any_name(): rng.integers(0, 256, [1, *port.partial_shape.get_min_shape()[1:]], np.uint8)
            for port in self._request.model_inputs
        }
        exact = self._compile("fp32")
        low, expected = self.infer(clips)["logits"], _outputs(exact.infer(clips))["logits"]
        difference = float(np.abs(low - expected).mean() / max(float(expected.std()), 1e-6))
        if not difference <= MAX_RELATIVE_DIFFERENCE:
            _logger.warning(
                "%s: in %s its scores differ from float32's by %.2g standard deviations; going on in float32, slower",
                self._path,
                self.info.precision,
                difference,
            )
            self._request = exact
            self.info = RuntimeInfo("openvino", "cpu", "fp32")

    def infer(self, inputs: Inputs) -> Outputs:
        """Return float32 [B, N] outputs by name; see `Runtime.infer`. Not for several threads at a time."""
        return _outputs(self._request.infer(dict(inputs), share_inputs=True))


def _outputs(results: openvino.utils.data_helpers.OVDict) -> Outputs:
    return {port.get_any_name(): np.array(value, np.float32) for port, value in results.items()}
