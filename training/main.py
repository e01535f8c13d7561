"""`torchrun --nproc_per_node=N training/main.py --config FILE`, or `python -m training.main --config FILE`."""

import argparse
import os
from pathlib import Path

import cv2
import torch

from preprocess.errors import run_command
from training.config import load_config
from training.display import Display
from training.distributed import process_group
from training.loop import Trainer


def main() -> int:
    """Train one run; returns the exit code."""
    arguments = _parse()
    config = load_config(arguments.config, arguments.set)
    cv2.setNumThreads(1)  # loader processes are the parallelism
    with process_group() as process:
        if process.device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) // process.world_size))
        with Display(config.schedule.epochs, silent=not process.speaks) as display:
            best = Trainer(config, process, display).run()
            display.say(f"best top-1 {best['top1']:.1%}; weights in {config.out / 'best.pt'}")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train one stream (type: M or K), or the fusion of two trained streams (type: FusionNet).",
        epilog="Under torchrun, one process a GPU: torchrun --nproc_per_node=8 training/main.py --config FILE",
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file; see configs/")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, e.g. schedule.epochs=10"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run_command(main)
