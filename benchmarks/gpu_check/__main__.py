"""Check what the project does on one NVIDIA GPU, and how fast: docs/gpu.md.

Exit code 0: nothing failed; 1: something did; 2: it could not begin.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks.gpu_check.installed import version_of
from benchmarks.gpu_check.runner import run_sections
from benchmarks.gpu_check.sections import SECTIONS, chosen
from benchmarks.gpu_check.table import show, write
from export.runtimes.machine import machine
from rgbd.errors import UserError
from rgbd.terminal import positive, run_command

_PACKAGES = ("torch", "onnxruntime-gpu", "onnxruntime", "tensorrt")


def main() -> int:
    """Run the sections; returns the exit code."""
    options = _parser().parse_args()
    sections = chosen(options.sections)
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no NVIDIA GPU here; install torch for CUDA, or give --device cpu")
    outcomes = run_sections(sections, options.device, options.budget_s)
    about = _machine(options.device)
    show(outcomes, about)
    if options.json is not None:
        write(options.json, outcomes, about)
    return int(any(outcome.has_failed for outcome in outcomes))


def _machine(device: str) -> Mapping[str, str]:
    """Return what the figures were measured on, and with."""
    name = torch.cuda.get_device_name() if device == "cuda" else machine()
    return {"device": name, **{package: version_of(package) or "not installed" for package in _PACKAGES}}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        prog="python -m benchmarks.gpu_check",
    )
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cpu tries the check itself, on tiny networks (cuda)"
    )
    parser.add_argument(
        "--sections", default=",".join(SECTIONS), metavar="A,B", help=f"in this order (all: {', '.join(SECTIONS)})"
    )
    parser.add_argument("--budget-s", type=positive, default=480, metavar="S", help="for all together (480)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found, too")
    return parser


if __name__ == "__main__":
    run_command(main)
