"""OpenVINO IR -> int8, calibrated on real clips, with what costs accuracy kept in higher precision."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino
from openvino import Model

from export.dataset import labelled_inputs
from export.runtimes import Inputs
from preprocess.errors import UserError
from training.config import TrainingConfig

# Thresholds and divisions by a largest value decide there: a rounded pixel would move whole regions. The products with
# the guidance that follow want its digits, too.
_GUIDANCE = r"(.*\.)?guidance/.*"
_GUIDED = r"(.*\.)?spatial/(Mul|Add)_.*"

_LAYERS = {"Convolution", "MatMul", "Einsum"}


@dataclass(frozen=True)
class Layer:
    """What became of a layer: its precision, and why it was kept if it was."""

    name: str
    precision: str
    reason: str


@dataclass(frozen=True)
class Quantization:
    """How a graph was quantized: accuracies in [0, 1] on the validation clips, and each layer."""

    calibrated_on: int
    validated_on: int
    max_drop: float
    top1_before: float
    top1_after: float
    layers: tuple[Layer, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as it is written into the bundle."""
        return asdict(self)


def quantize_ir(
    source: Path, target: Path, config: TrainingConfig, data: Path, *, num_clips: int, max_drop: float
) -> Quantization:
    """Write `source` (.xml) in int8 to `target`; layers stay in float until at most `max_drop` of top-1 is lost.

    It is calibrated on training clips of the processed data set in `data`, and tried on all validation clips. Raises
    `UserError` where the loss stays larger.
    """
    model = openvino.Core().read_model(str(source))
    calibration = [inputs for inputs, _ in labelled_inputs(config, data, "train", num_clips)]
    validation = list(labelled_inputs(config, data, "valid"))
    nncf.set_log_level(40)  # its progress bars say enough
    quantized = nncf.quantize_with_accuracy_control(
        model,
        calibration_dataset=nncf.Dataset(calibration),
        validation_dataset=nncf.Dataset(validation),
        validation_fn=_validate,
        max_drop=max_drop,
        drop_type=nncf.DropType.ABSOLUTE,
        # Symmetric: no zero points, which TensorRT refuses and processors compute slower.
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(patterns=[_GUIDANCE, _GUIDED], validate=False),
    )
    before, after = (_accuracy(graph, validation) for graph in (model, quantized))
    if before - after > max_drop:
        raise UserError(
            f"int8 loses {before - after:.1%} of the validation clips, allowed is {max_drop:.1%}; calibrate on more "
            "clips (--calibration-clips), allow more (--max-drop), or leave int8 out of --precision"
        )
    openvino.save_model(quantized, str(target), compress_to_fp16=False)
    layers = tuple(_layer(node) for node in quantized.get_ordered_ops() if node.get_type_name() in _LAYERS)
    return Quantization(len(calibration), len(validation), max_drop, before, after, layers)


def _validate(model: Any, samples: Iterable[tuple[Inputs, int]]) -> tuple[float, list[float]]:
    """Return the top-1 accuracy of a compiled model, and 1 or 0 for each clip."""
    right = [float(np.argmax(model(inputs)["logits"][0]) == label) for inputs, label in samples]
    return float(np.mean(right)), right


def _accuracy(model: Model, samples: Sequence[tuple[Inputs, int]]) -> float:
    return _validate(openvino.Core().compile_model(model, "CPU"), samples)[0]


def _layer(node: Any) -> Layer:
    name = node.get_friendly_name()
    sources = [node.input_value(index).get_node() for index in range(node.get_input_size())]
    if any(_is_quantized(source) for source in sources):
        return Layer(name, "int8", "")
    if "guidance/" in name:
        return Layer(name, "float", "guidance decides by thresholds")
    return Layer(name, "float", "kept for accuracy, or by NNCF's own rules")


def _is_quantized(node: Any) -> bool:
    """Whether a value comes from a quantizer, or from integer weights that are scaled."""
    while node.get_type_name() in {"Reshape", "Transpose", "Multiply", "Subtract", "Convert", "Unsqueeze"}:
        if node.get_type_name() == "Convert" and node.get_input_element_type(0) == openvino.Type.i8:
            return True
        node = node.input_value(0).get_node()
    return bool(node.get_type_name() == "FakeQuantize")
