"""TensorRT on an NVIDIA GPU, as far as it is known without TensorRT: `tensorrt_runtime` runs it."""

from pathlib import Path

from export.bundle.manifest import Precision
from export.runtimes import Runtime
from export.runtimes.spec import Graph, ModelFile, RuntimeSpec


def _load(path: Path, precision: Precision, device: str, max_batch: int, engines: Path | None) -> Runtime:
    from export.runtimes.tensorrt_runtime import TensorRtRuntime

    return TensorRtRuntime(path, precision, max_batch, device, engines)


def _missing(_precision: Precision) -> str | None:
    from export.runtimes.tensorrt_runtime import no_gpu_reason

    return no_gpu_reason()


def _build(path: Path, precision: Precision, max_batch: int) -> Path:
    from export.runtimes.tensorrt_engines import engine_file
    from export.runtimes.tensorrt_runtime import gpu_name

    return engine_file(path, precision, max_batch, gpu_name())


# Networks are strongly typed: the ONNX file says the precision.
SPEC = RuntimeSpec(
    name="tensorrt",
    title="TensorRT",
    format="tensorrt",
    packages=("tensorrt", "cuda"),
    devices=("cuda",),
    files={
        "fp32": ModelFile("model.onnx", Graph("frames", "fp32")),
        "bf16": ModelFile("model-bf16.onnx", Graph("frames", "bf16")),
        "fp16": ModelFile("model-fp16.onnx", Graph("frames", "fp16")),
        "int8": ModelFile("model-int8.onnx", Graph("volumes", "int8")),
    },
    load=_load,
    missing=_missing,
    build=_build,
    is_made_where_named=True,  # engines are built on the machine that runs them
)
