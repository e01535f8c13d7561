"""ONNX Runtime, on the CPU, on CUDA, or by its TensorRT provider."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from export.bundle.manifest import Precision
from export.runtimes import Inputs, Outputs, RuntimeInfo
from export.runtimes.devices import index_of, kind_of
from export.runtimes.spec import Graph, ModelFile, RuntimeSpec
from rgbd.errors import UserError

# By device; "tensorrt" is a provider of ONNX Runtime's, and not the runtime of that name, which is at home on cuda.
_PROVIDERS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}


class OnnxRuntime:
    """An ONNX file in a session of ONNX Runtime."""

    def __init__(self, path: Path, device: str) -> None:
        import onnxruntime

        provider, *_ = providers = _PROVIDERS[kind_of(device)]
        available = onnxruntime.get_available_providers()
        if provider not in available:
            raise UserError(
                f"this ONNX Runtime has no {provider}, only {', '.join(available)}; install the 'gpu' extra"
            )
        options = onnxruntime.SessionOptions()
        # Its threads would wait at full load for the next call, and take the core that other graphs, and those who
        # unpack and prepare frames, need meanwhile: three fifths of all time between calls 20 ms apart.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            place = {} if provider == "CPUExecutionProvider" else {"device_id": index_of(device)}
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=[*providers], provider_options=[place] * len(providers)
            )
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


def _load(path: Path, precision: Precision, device: str, max_batch: int, engines: Path | None) -> OnnxRuntime:  # noqa: ARG001
    return OnnxRuntime(path, device)


def _profile(path: Path, _precision: Precision, inputs: Inputs, runs: int) -> Iterator[tuple[str, float]]:
    """Yield each operation of each run but the first, which allocates, and its milliseconds."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(str(path), options)
        for _ in range(1 + runs):
            session.run(None, dict(inputs))
        events = json.loads(Path(session.end_profiling()).read_text())
    starts = [event["ts"] for event in events if event["name"] == "model_run"]
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time") and event["ts"] >= starts[1]:
            yield event["name"].removesuffix("_kernel_time"), event["dur"] / 1000


SPEC = RuntimeSpec(
    name="onnxruntime",
    title="ONNX Runtime",
    format="onnx",
    packages=("onnxruntime",),
    devices=tuple(_PROVIDERS),
    files={"fp32": ModelFile("model.onnx", Graph("frames", "fp32"))},
    load=_load,
    profile=_profile,
    runs_live=True,
    triton_backend="onnxruntime",
)
