"""Where in a graph a runtime begins to answer something else than the reference: the question after a failed export."""

import tempfile
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from export.runtimes import Inputs, Runtime
from export.runtimes.registry import REFERENCE

_LARGEST = 0.1  # mean difference in standard deviations that a layer's rounding explains


def first_difference(path: Path, load: Callable[[Path], Runtime], inputs: Inputs) -> str | None:
    """Return the first module of the ONNX file in `path` whose output is wrong in the runtime that `load` returns.

    Modules are tried one at a time, because a tensor that is asked for is not fused with what follows. Behind a wrong
    one all are taken for wrong, so that a few are enough.
    """
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    ends = _ends_of_modules(model)

    def is_wrong(tensor: str) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            exposed = Path(folder) / path.name
            onnx.save(_with_output(model, tensor), exposed)
            expected, actual = (
                runtime.infer(inputs)[tensor]
                for runtime in (REFERENCE.load(exposed, "fp32", "cpu", 1, None), load(exposed))
            )
        return not float(np.abs(actual - expected).mean()) <= _LARGEST * max(float(expected.std()), 1e-6)

    place = bisect_left(list(ends.values()), True, key=is_wrong)
    return list(ends)[place] if place < len(ends) else None


def _ends_of_modules(model: onnx.ModelProto) -> dict[str, str]:
    """Return the last tensor of numbers of each module, in the order of the graph; nodes carry their module's name."""
    values = [*model.graph.value_info, *model.graph.output]
    is_float = {value.name for value in values if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    ends: dict[str, str] = {}
    for node in model.graph.node:
        module, _, rest = node.name.partition("/")
        if rest and node.output[0] in is_float:
            ends.pop(module, None)  # it comes where it ends
            ends[module] = node.output[0]
    return ends


def _with_output(model: onnx.ModelProto, tensor: str) -> onnx.ModelProto:
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    if tensor not in {output.name for output in model.graph.output}:
        exposed.graph.output.append(onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None))
    return exposed
