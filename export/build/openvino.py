"""ONNX -> OpenVINO's intermediate representation."""

from pathlib import Path

import openvino


def write_ir(onnx_path: Path, path: Path) -> None:
    """Write the graph as `path` (.xml) and its weights, in float32, as .bin beside it."""
    # Halved weights would make float32 answer otherwise; bfloat16 rounds them when it loads.
    openvino.save_model(openvino.convert_model(str(onnx_path)), str(path), compress_to_fp16=False)
