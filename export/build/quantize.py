"""ONNX -> int8, calibrated on real clips, with what costs accuracy kept in higher precision.

Quantizers are symmetric and signed, which TensorRT asks for and OpenVINO computes as fast as its own: one file serves
both. The family of networks says which parts may be quantized at all.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import nncf
import numpy as np
import onnx
import openvino
from numpy.typing import NDArray
from onnx import numpy_helper

from export.build.calibration import Calibration
from export.build.graph import int8_rules
from export.runtimes import Inputs
from export.runtimes.openvino import core, settings_of
from export.verification.dataset_clips import LabelledClips, labelled_inputs
from rgbd.errors import UserError
from training.networks.family import Int8Rules
from training.run.checkpoint import Checkpoint

_KEEP_BYTES = 2 << 30  # of validation clips: each layer is tried on all of them, or on a few hundred
_LAYERS = {"Conv", "Einsum", "Gemm", "MatMul"}


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


class Use(Protocol):
    """What a graph is used for."""

    def feed(self, clips: Inputs) -> Inputs:
        """Return what the graph takes of clips."""

    def answer(self, compiled: openvino.CompiledModel, clips: Inputs) -> NDArray[np.float32]:
        """Return the scores [B, N] that answer clips, with the graph as it is compiled."""


class WholeNetwork:
    """A graph that takes clips, and whose first output is the answer."""

    def feed(self, clips: Inputs) -> Inputs:
        """Return the clips."""
        return clips

    def answer(self, compiled: openvino.CompiledModel, clips: Inputs) -> NDArray[np.float32]:
        """Return the first output."""
        return np.asarray(compiled(dict(clips))[0])


def quantize_onnx(source: Path, target: Path, checkpoint: Checkpoint, how: Calibration, use: Use) -> Quantization:
    """Write `source` in int8 to `target`; layers stay in float until at most `how.max_drop` of top-1 is lost.

    It is calibrated on training clips of the processed data set in `how.data`, and tried on all its validation clips.
    Raises `UserError` where the loss stays larger, or nothing of the network may be quantized.
    """
    model, rules = onnx.load(source), int8_rules(checkpoint)
    clips = [inputs for inputs, _ in labelled_inputs(checkpoint, how.data, "train", how.num_clips)]
    validation = LabelledClips(checkpoint, how.data, "valid", keep_bytes=_KEEP_BYTES)
    accuracy = _Accuracy(len(validation), use)
    nncf.set_log_level(40)  # its progress bars say enough
    quantized = nncf.quantize_with_accuracy_control(
        model,
        calibration_dataset=nncf.Dataset(clips, use.feed),
        validation_dataset=nncf.Dataset(validation),
        validation_fn=accuracy.measure,
        max_drop=how.max_drop,
        drop_type=nncf.DropType.ABSOLUTE,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(clips),
        ignored_scope=nncf.IgnoredScope(patterns=[*rules.kept, _outside(rules)], validate=False),
    )
    top1_before, top1_after = (accuracy.of(graph, validation) for graph in (model, quantized))
    if (loss := top1_before - top1_after) > how.max_drop:
        raise UserError(
            f"int8 loses {loss:.1%} of the validation clips, allowed is {how.max_drop:.1%}; calibrate on "
            "more clips (--calibration-clips), allow more (--max-drop), or leave int8 out of --precision"
        )
    quantized = signed(quantized)
    quantized.metadata_props.extend(entry for entry in model.metadata_props if entry not in quantized.metadata_props)
    onnx.save(quantized, target)
    onnx.checker.check_model(str(target), full_check=True)
    layers = _layers(quantized, rules)
    if not any(layer.precision == "int8" for layer in layers):
        raise UserError("int8: no layer of this network was quantized; leave int8 out of --precision")
    return Quantization(len(clips), len(validation), how.max_drop, top1_before, top1_after, layers)


def write_report(report: Quantization, path: Path) -> None:
    """Write how a graph was quantized, as JSON."""
    path.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")


def _outside(rules: Int8Rules) -> str:
    """Return a pattern of the names that `rules.parts` does not match."""
    return f"(?!{rules.parts}).*"


class _Accuracy:
    """Counts the share of clips that a graph knows, as OpenVINO will run it; what was counted once is remembered."""

    def __init__(self, num_clips: int, use: Use) -> None:
        self._num_clips = num_clips  # of all that there are: NNCF tries one, or some, too
        self._use = use
        self._counted: dict[bytes, float] = {}

    def of(self, model: onnx.ModelProto, validation: LabelledClips) -> float:
        """Return the share of all clips."""
        if (mark := _mark(signed(model))) not in self._counted:
            self.measure(model, validation)
        return self._counted[mark]

    def measure(self, model: onnx.ModelProto, samples: Iterable[tuple[Inputs, int]]) -> tuple[float, list[float]]:
        """Return the share of these clips, and 1 or 0 for each, as NNCF asks for."""
        graph = signed(model)
        compiled = core().compile_model(core().read_model(graph.SerializeToString()), "CPU", settings_of("int8"))
        right = [float(np.argmax(self._use.answer(compiled, inputs)[0]) == label) for inputs, label in samples]
        if len(right) == self._num_clips:
            self._counted[_mark(graph)] = float(np.mean(right))
        return float(np.mean(right)), right


def _mark(model: onnx.ModelProto) -> bytes:
    return sha256(model.SerializeToString(deterministic=True)).digest()


def signed(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with quantizers of unsigned values, such as those behind ReLU, as signed ones.

    They keep their range in half as many steps, which costs no accuracy that was seen. TensorRT reads no others, and
    OpenVINO adds a wrong bias where a convolution of signed values ends in an unsigned quantizer.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    constants = {constant.name: constant for constant in result.graph.initializer}
    for node in result.graph.node:
        if node.op_type not in {"QuantizeLinear", "DequantizeLinear"}:
            continue
        scale, zero = constants[node.input[1]], constants[node.input[2]]
        if zero.data_type != onnx.TensorProto.UINT8:
            continue  # or it was shared, and is signed by now
        values = numpy_helper.to_array(scale) * np.float32(255 / 127)
        scale.CopyFrom(numpy_helper.from_array(values, scale.name))
        zero.CopyFrom(numpy_helper.from_array(np.zeros(zero.dims, np.int8), zero.name))
    del result.graph.value_info[:]  # it tells the types of before
    return result


def _layers(model: onnx.ModelProto, rules: Int8Rules) -> tuple[Layer, ...]:
    of_quantizers = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return tuple(
        _layer(node.name, rules, quantized=node.input[1] in of_quantizers)  # its weights
        for node in model.graph.node
        if node.op_type in _LAYERS
    )


def _layer(name: str, rules: Int8Rules, *, quantized: bool) -> Layer:
    if quantized:
        return Layer(name, "int8", "")
    reasons = [reason for pattern, reason in rules.kept.items() if re.fullmatch(pattern, name)]
    if not re.match(rules.parts, name):
        reasons.append(rules.elsewhere)
    return Layer(name, "float", reasons[0] if reasons else "kept for accuracy")
