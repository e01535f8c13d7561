"""ONNX Runtime, on the CPU or on CUDA."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.runtimes import RuntimeInfo
from preprocess.errors import UserError

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRuntime:
    """An ONNX file in a session of ONNX Runtime."""

    def __init__(self, path: Path, device: str, *, num_threads: int = 0) -> None:
        if device not in _PROVIDERS:
            raise UserError(f"device {device!r} is unknown; choose one of: {', '.join(_PROVIDERS)}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads  # 0: all cores
        provider = _PROVIDERS[device]
        available = onnxruntime.get_available_providers()
        if provider not in available:
            raise UserError(
                f"this ONNX Runtime has no {provider}, only {', '.join(available)}; install the 'gpu' extra"
            )
        self._session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
        # A provider that cannot start is dropped silently by ONNX Runtime: what is active is asked, never assumed.
        if provider not in self._session.get_providers():
            raise UserError(f"{provider} could not start on this machine; check its driver, or choose --device cpu")
        self.info = RuntimeInfo("onnxruntime", device, "fp32")

    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Return float32 [B, N] outputs by name; see `Runtime.infer`."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))
