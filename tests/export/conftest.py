"""What tests of several files look at, and takes minutes to make."""

import fcntl
import os

import pytest

from export.bundle.folder import Bundle, read_bundle
from export.runtimes.openvino import can_compute
from tests.support.checkpoints import untrained, write_data
from tests.support.commands import run_module


@pytest.fixture(scope="session")
def in_low_precision(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small network for OpenVINO and TensorRT in all precisions, exported by the command; not to be changed.

    Processes that run tests side by side share it: the first that needs it makes it, with clips beside it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "in-low-precision"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "bundle").exists():
            write_data(folder / "data")
            checkpoint = untrained("rgb", folder / "best.pt")
            words = [
                "--checkpoint",
                checkpoint,
                "--out",
                folder / "bundle",
                "--formats",
                "onnx,openvino,tensorrt",
                "--live",
            ]
            precisions = "fp32,bf16,fp16"
            if can_compute("int8"):
                precisions += ",int8"
                words += ["--calibration", folder / "data", "--calibration-clips", 2, "--max-drop", 50]
            result = run_module("export", *words, "--precision", precisions, "--max-batch", 3)
            assert result.returncode == 0, result.stderr
    return read_bundle(folder / "bundle")
