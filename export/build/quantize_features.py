"""The graphs of features in int8, for streams without end: judged by the answers to whole clips, as all is in int8."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from export.build.calibration import Calibration
from export.build.quantize import quantize_onnx, write_report
from export.bundle.manifest import LiveSteps
from export.runtimes import Inputs, Outputs, RuntimeInfo
from export.runtimes.live import LiveRuntime, whole_clips
from export.runtimes.openvino import OpenVinoRuntime
from rgbd.steps import step
from rgbd.types import Stream
from training.run.checkpoint import Checkpoint


def quantize_features(
    features: Mapping[Stream, Path],
    head: Path,
    steps: LiveSteps,
    checkpoint: Checkpoint,
    how: Calibration,
    reports: Path,
) -> dict[Stream, Path]:
    """Write each stream's graph in int8 beside the one in float32, and return the files; raises as `quantize_onnx`.

    What became of each layer is written into the folder `reports`.
    """
    graphs = {stream: OpenVinoRuntime(path, "fp32") for stream, path in features.items()}
    runtime = LiveRuntime(steps, graphs, OpenVinoRuntime(head, "fp32"))
    files = {}
    for stream, path in features.items():
        files[stream] = path.with_name(f"{path.stem}-int8.onnx")
        with step(f"quantizing the features of {stream}, for streams without end"):
            report = quantize_onnx(path, files[stream], checkpoint, how, _Features(stream, runtime))
        write_report(report, reports / f"quantization-{stream}.json")
    return files


class _Features:
    """A stream's features; those of the other stream, and the head, stay as they are."""

    def __init__(self, stream: Stream, runtime: LiveRuntime) -> None:
        self._stream, self._runtime = stream, runtime

    def feed(self, clips: Inputs) -> Inputs:
        """Return what the graph takes of whole clips."""
        return whole_clips(self._runtime.steps, clips[self._stream])

    def answer(self, compiled: openvino.CompiledModel, clips: Inputs) -> NDArray[np.float32]:
        """Return the scores of whole clips."""
        features = {**self._runtime.features, self._stream: _Compiled(compiled)}
        return next(iter(replace(self._runtime, features=features).infer(clips).values()))


class _Compiled:
    """A graph that is compiled already."""

    info = RuntimeInfo("openvino", "cpu", "int8")

    def __init__(self, model: openvino.CompiledModel) -> None:
        self._model = model

    def infer(self, inputs: Inputs) -> Outputs:
        """See `Runtime.infer`."""
        return {port.get_any_name(): values for port, values in self._model(dict(inputs)).items()}
