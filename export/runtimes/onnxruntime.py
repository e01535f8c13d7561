"""ONNX Runtime, on the CPU, on CUDA, or by its TensorRT provider."""

from pathlib import Path

import onnxruntime

from export.runtimes import Inputs, Outputs, RuntimeInfo
from rgbd.errors import UserError

_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}


class OnnxRuntime:
    """An ONNX file in a session of ONNX Runtime."""

    def __init__(self, path: Path, device: str) -> None:
        provider, *_ = providers = _PROVIDERS[device]
        available = onnxruntime.get_available_providers()
        if provider not in available:
            raise UserError(
                f"this ONNX Runtime has no {provider}, only {', '.join(available)}; install the 'gpu' extra"
            )
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=[*providers])
        except Exception as error:  # each reason has a class of its own, without a common one
            raise UserError(f"{path}: ONNX Runtime {onnxruntime.__version__} cannot load it ({error})") from error
        # A provider that cannot start is dropped silently by ONNX Runtime: what is active is asked, never assumed.
        if provider not in self._session.get_providers():
            raise UserError(f"{provider} could not start on this machine; check its driver, or choose --device cpu")
        self._names = [output.name for output in self._session.get_outputs()]
        self.info = RuntimeInfo("onnxruntime", device, "fp32")

    def infer(self, inputs: Inputs) -> Outputs:
        """Return float32 [B, N] outputs by name; see `Runtime.infer`."""
        return dict(zip(self._names, self._session.run(self._names, dict(inputs)), strict=True))
