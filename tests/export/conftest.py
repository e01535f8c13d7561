"""What tests of several files look at, and takes minutes to make."""

import fcntl
import os
from typing import Any

import pytest

from export.bundle.folder import Bundle, read_bundle
from export.runtimes.openvino import can_compute
from tests.support.checkpoints import SMALL, untrained, write_data
from tests.support.commands import run_module
from tests.support.small_networks import SMALL_UMDR


@pytest.fixture(scope="session")
def in_low_precision(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A small network for OpenVINO and TensorRT in all precisions, exported by the command; not to be changed."""
    return _in_low_precision(tmp_path_factory, "in-low-precision", "--live")


@pytest.fixture(scope="session")
def second_in_low_precision(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same of the second family, for clips of 16 frames; it has no graphs for streams."""
    clip = {**SMALL["clip"], "num_frames": 16}
    return _in_low_precision(tmp_path_factory, "second-in-low-precision", network=SMALL_UMDR, clip=clip)


def _in_low_precision(tmp_path_factory: pytest.TempPathFactory, name: str, *more: str, **changed: Any) -> Bundle:
    """Return a bundle of a network that differs from the usual small one in what is `changed`, with clips beside it.

    Processes that run tests side by side share it: the first that needs it makes it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "bundle").exists():
            write_data(folder / "data")
            checkpoint = untrained("rgb", folder / "best.pt", **changed)
            words = [
                "--checkpoint",
                checkpoint,
                "--out",
                folder / "bundle",
                "--formats",
                "onnx,openvino,tensorrt",
                *more,
            ]
            precisions = "fp32,bf16,fp16"
            if can_compute("int8"):
                precisions += ",int8"
                words += ["--calibration", folder / "data", "--calibration-clips", 2, "--max-drop", 50]
            result = run_module("export", *words, "--precision", precisions, "--max-batch", 3)
            assert result.returncode == 0, result.stderr
    return read_bundle(folder / "bundle")
