"""OpenVINO on the CPU, in float32, or in bfloat16 and int8 where the processor computes them."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from export.bundle.manifest import Precision
from export.runtimes import Inputs, Outputs, RuntimeInfo, Shapes
from export.runtimes.spec import Graph, ModelFile, RuntimeSpec
from rgbd.errors import UserError

if TYPE_CHECKING:
    import openvino

_CORE_LOCK = Lock()

# What OpenVINO computes in where the graph does not say int8.
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
_CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}


def core() -> "openvino.Core":
    """Return the one core of this process, which stays until it ends.

    A core gives its thread another stack for signals, and unmaps it when it goes. With several, which go in any order
    and any thread, a thread is left with a stack that is no more, and the next signal ends the process with SIGSEGV.
    """
    with _CORE_LOCK:
        return _core()


@cache
def _core() -> "openvino.Core":
    import openvino

    return openvino.Core()


def can_compute(precision: str) -> bool:
    """Whether this processor has instructions for the precision."""
    return _CAPABILITIES.get(precision) in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def settings_of(precision: str) -> dict[str, str]:
    """Return OpenVINO's settings for an artifact of this precision."""
    hint = _HINTS[precision] if can_compute("bf16") else "f32"
    return {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}


class OpenVinoRuntime:
    """An OpenVINO IR, or an ONNX file, compiled for this processor; with `shapes`, for inputs of these alone."""

    def __init__(self, path: Path, precision: str, device: str = "cpu", shapes: Shapes | None = None) -> None:
        import openvino

        settings = settings_of(precision)
        try:
            graph = core().read_model(str(path))
            if shapes is not None:
                graph.reshape(dict(shapes))
            model = core().compile_model(graph, "CPU", settings)
        except RuntimeError as error:
            raise UserError(f"{path}: OpenVINO {openvino.__version__} cannot load it ({error})") from error
        # OpenVINO takes another type where it has to: what is active is asked, never assumed.
        active = model.get_property("INFERENCE_PRECISION_HINT").to_string()
        if active != settings["INFERENCE_PRECISION_HINT"]:
            raise UserError(f"{path}: OpenVINO computes it in {active} here; choose another artifact than {precision}")
        self._request = model.create_infer_request()
        self.info = RuntimeInfo("openvino", device, precision)

    def infer(self, inputs: Inputs) -> Outputs:
        """Return float32 [B, N] outputs by name; see `Runtime.infer`. Not for several threads at a time."""
        results = self._request.infer(dict(inputs), share_inputs=True, share_outputs=True)  # copied below
        # OpenVINO may have merged an output with the tensor that it copies; it goes by both names then.
        return {name: np.array(value, np.float32) for port, value in results.items() for name in port.get_names()}


def _load(path: Path, precision: Precision, device: str, max_batch: int, engines: Path | None) -> OpenVinoRuntime:  # noqa: ARG001
    return OpenVinoRuntime(path, precision, device)


def _missing(precision: Precision) -> str | None:
    return None if can_compute(precision) else f"this processor has no {precision} instructions"


def _write(onnx_path: Path, path: Path) -> None:
    """Write the graph as `path` (.xml) and its weights, in float32, as .bin beside it."""
    import openvino

    # Halved weights would make float32 answer otherwise; bfloat16 rounds them when it loads.
    openvino.save_model(openvino.convert_model(str(onnx_path)), str(path), compress_to_fp16=False)


def _profile(path: Path, precision: Precision, inputs: Inputs, runs: int) -> Iterator[tuple[str, float]]:
    """Yield each operation of each run but the first, which allocates, and its milliseconds."""
    model = core().compile_model(str(path), "CPU", {**settings_of(precision), "PERF_COUNT": True})
    request = model.create_infer_request()
    request.infer(dict(inputs))
    for _ in range(runs):
        request.infer(dict(inputs))
        for node in request.get_profiling_info():
            yield node.node_name, node.real_time.total_seconds() * 1000


# It computes a graph of float32 in bfloat16, too.
_IR = ModelFile("model.xml", Graph("volumes", "fp32"), _write, "model.bin")

SPEC = RuntimeSpec(
    name="openvino",
    title="OpenVINO",
    format="openvino",
    packages=("openvino",),
    devices=("cpu",),
    files={"fp32": _IR, "bf16": _IR, "int8": ModelFile("model-int8.onnx", Graph("volumes", "int8"))},
    load=_load,
    load_fixed=OpenVinoRuntime,  # of a graph that takes any shape, each run in bfloat16 costs 12 ms more
    missing=_missing,
    profile=_profile,
    runs_live=True,
    triton_backend="openvino",
    # OpenVINO's own choice is bfloat16, and Triton's backend cannot be told otherwise.
    triton_refuses={
        "fp32": "Triton computes OpenVINO's models in bfloat16 where it can; choose onnxruntime-fp32",
    },
)
