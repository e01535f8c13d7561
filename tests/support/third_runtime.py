"""A runtime that is in no registry: ONNX Runtime under another name, which loads files of its own format."""

from pathlib import Path

from export.bundle.manifest import Precision
from export.runtimes import Inputs, Outputs, RuntimeInfo, onnxruntime
from export.runtimes.spec import Graph, ModelFile, RuntimeSpec


class ThirdRuntime:
    """A file of the third format, loaded."""

    def __init__(self, path: Path) -> None:
        assert path.suffix == ".third"
        self._runtime = onnxruntime.OnnxRuntime(path, "cpu")
        self.info = RuntimeInfo("third", "cpu", "fp32")

    def infer(self, inputs: Inputs) -> Outputs:
        return self._runtime.infer(inputs)


def load(path: Path, precision: Precision, device: str, max_batch: int, engines: Path | None) -> ThirdRuntime:
    assert (precision, device) == ("fp32", "cpu") and max_batch > 0 and engines is None
    return ThirdRuntime(path)


def write(onnx_path: Path, path: Path) -> None:
    path.write_bytes(onnx_path.read_bytes())


SPEC = RuntimeSpec(
    name="third",
    title="The third runtime",
    format="3rd",
    packages=("onnxruntime",),
    devices=("cpu",),
    files={"fp32": ModelFile("model.third", Graph("frames", "fp32"), write)},
    load=load,
    profile=onnxruntime.SPEC.profile,
    triton_backend="third_backend",
)
