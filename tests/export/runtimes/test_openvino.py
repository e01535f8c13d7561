"""OpenVINO in a process that lives longer than its models."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

BEGIN = """
import os, signal, sys, threading
from pathlib import Path
from export.runtimes.openvino import OpenVinoRuntime
first, second = (OpenVinoRuntime(Path(sys.argv[1]), "fp32") for _ in range(2))
"""
END = """
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that doubles four numbers."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "twice", ends[:1], ends[1:])
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


@pytest.mark.parametrize(
    "go",
    [
        "del first; del second",
        "del second; del first",
        "pair = [first, second]; del first, second; end = threading.Thread(target=pair.clear); end.start(); end.join()",
    ],
    ids=["oldest first", "newest first", "in another thread"],
)
def test_signals_arrive_after_models_have_gone(go: str, graph: Path) -> None:
    # Each core of OpenVINO's brings a stack for signals, and takes it with it, though the process may still use it.
    command = [sys.executable, "-c", f"{BEGIN}\n{go}\n{END}", graph]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "handled\n"), result.stderr
