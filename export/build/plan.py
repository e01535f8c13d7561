"""What can be made of a checkpoint, and what of it is wanted."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from export.bundle.manifest import Artifact, Precision, RuntimeName
from export.runtimes.loading import home_of, why_not
from rgbd.errors import UserError
from rgbd.types import Stream
from training.networks.family import Int8Rules, family_of
from training.run.checkpoint import Checkpoint

# In the order in which they are listed. Several read the same file: OpenVINO computes a graph of float32 in bfloat16,
# too, and TensorRT reads what ONNX Runtime and OpenVINO read.
ARTIFACTS = (
    Artifact(runtime="onnxruntime", precision="fp32", path="model.onnx"),
    Artifact(runtime="openvino", precision="fp32", path="model.xml"),
    Artifact(runtime="openvino", precision="bf16", path="model.xml"),
    Artifact(runtime="openvino", precision="int8", path="model-int8.onnx"),
    Artifact(runtime="tensorrt", precision="fp32", path="model.onnx"),
    Artifact(runtime="tensorrt", precision="bf16", path="model-bf16.onnx"),
    Artifact(runtime="tensorrt", precision="fp16", path="model-fp16.onnx"),
    Artifact(runtime="tensorrt", precision="int8", path="model-int8.onnx"),
)
FORMATS: dict[str, RuntimeName] = {"onnx": "onnxruntime", "openvino": "openvino", "tensorrt": "tensorrt"}
NAME = re.compile(r"\w[\w.-]*")  # a model's is part of an address, and names a folder
PRECISIONS = tuple(dict.fromkeys(artifact.precision for artifact in ARTIFACTS))


@dataclass(frozen=True)
class Calibration:
    """What int8 is made with: training clips of a processed data set, and how much top-1 may be lost, in [0, 1]."""

    data: Path
    num_clips: int
    max_drop: float


@dataclass(frozen=True)
class ExportOptions:
    """What a bundle is to hold; `data` is a processed data set with real clips to compare on.

    Without formats it holds what this machine can run. TensorRT is made where it is named, too: its engines are built
    on the machine that runs them. Of a fusion network, the streams in `alone` may come without the other. Without
    `max_batch` memory decides.
    """

    name: str = "motion"
    formats: Sequence[str] | None = None
    precisions: Sequence[Precision] | None = None
    data: Path | None = None
    answer_only: bool = False
    alone: Sequence[Stream] = ()
    max_batch: int | None = None
    calibration: Calibration | None = None


def wanted(options: ExportOptions) -> tuple[Artifact, ...]:
    """Return what to make; raises `UserError` where a format or precision that is named can not be."""
    precisions = options.precisions or [name for name in PRECISIONS if name != "int8" or options.calibration]
    if "int8" in precisions:
        _check_int8(options)
    runtimes = {FORMATS[name] for name in options.formats or FORMATS}
    asked = [a for a in ARTIFACTS if a.precision in precisions and a.runtime in runtimes]
    reasons = {artifact.name: why_not(artifact, home_of(artifact)) for artifact in asked}
    later = "tensorrt" in (options.formats or ())
    artifacts = tuple(a for a in asked if not reasons[a.name] or (later and a.runtime == "tensorrt"))
    made = {artifact.runtime for artifact in artifacts} | {artifact.precision for artifact in artifacts}
    left_out = [name for name in options.formats or () if FORMATS[name] not in made]
    left_out += [name for name in options.precisions or () if name not in made]
    if left_out or not artifacts:
        listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason) or "no such combination"
        raise UserError(f"{', '.join(left_out) or 'nothing'}: cannot be made here ({listed}); leave it out")
    return artifacts


def _check_int8(options: ExportOptions) -> None:
    if options.calibration is None:
        raise UserError("int8 needs clips to calibrate on; give a processed data set as --calibration")
    missing = [name for name in ("nncf", "onnxruntime", "openvino") if find_spec(name) is None]
    if missing:
        raise UserError(
            f"int8 needs {', '.join(missing)}; pip install 'rgbd-motion[int8,cpu]', or leave it out of --precision"
        )


def int8_rules(checkpoint: Checkpoint) -> Int8Rules:
    """Return what of the network may compute in int8; raises `UserError` where its family names nothing."""
    name = checkpoint.config.network.name
    rules = family_of(checkpoint.config).int8
    if rules is None:
        raise UserError(f"int8: the family {name} names no part that may be quantized; leave int8 out of --precision")
    return rules
