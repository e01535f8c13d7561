"""`torchrun --nproc_per_node=N training/main.py --config FILE`, or `python -m training.main --config FILE`."""

import argparse
from pathlib import Path

import cv2

from rgbd.overlap import check_apart
from rgbd.terminal import run_command
from training.config.loading import config_yaml, load_config
from training.config.schema import TrainingConfig
from training.data.checks import check_data
from training.data.class_weights import with_class_weights
from training.data.dataset import frame_folders
from training.run.cpu import prepare_cpu
from training.run.display import Display
from training.run.distributed import Process, process_group
from training.run.folder import CONFIG_FILE, owned, run_files
from training.run.resume import find_beginning
from training.run.trainer import Trainer


def main() -> int:
    """Train one run; returns the exit code."""
    options = _parser().parse_args()
    config = load_config(options.config, options.set)
    if options.print_config:
        print(config_yaml(config), end="")
        return 0
    cv2.setNumThreads(1)  # loader processes are the parallelism
    with process_group() as process:
        prepare_cpu(process)
        with Display(config.schedule.epochs, silent=not process.is_main) as display:
            return _train(config, options, process, display)


def _train(config: TrainingConfig, options: argparse.Namespace, process: Process, display: Display) -> int:
    for warning in check_data(config, process.world_size):
        display.say(f"warning: {warning}")
    config = with_class_weights(config)
    check_apart([config.out / CONFIG_FILE], frame_folders(config), option=f"out {config.out}")
    with owned(config.out, process):
        beginning = find_beginning(config, options.resume, overwrite=options.overwrite, process=process)
        if beginning.checkpoint is None:  # one that goes on may be told to by its own configuration
            written = [config.out / CONFIG_FILE, *run_files(config.out)]
            check_apart(written, [options.config, *config.starts_from], option=f"out {config.out}")
        best_epoch, best = Trainer(config, process, display, beginning).run()
    display.say(f"best top-1 {best:.1%}, of epoch {best_epoch}; weights in {config.out / 'best.pt'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train one stream (modality: rgb or depth), or the fusion of two trained streams (modality: rgbd).",
        epilog="Under torchrun, one process a GPU: torchrun --nproc_per_node=8 training/main.py --config FILE. "
        "Ctrl-C and SIGTERM save the run and end it; python -m training.evaluate evaluates a checkpoint.",
    )
    parser.add_argument("--config", type=Path, required=True, help="YAML file; see configs/")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key, e.g. schedule.epochs=10"
    )
    parser.add_argument(
        "--resume", metavar="auto|FILE", help="go on from the run's last checkpoint, if there is one, or from FILE"
    )
    parser.add_argument("--overwrite", action="store_true", help="begin anew where out holds a run")
    parser.add_argument("--print-config", action="store_true", help="print every setting, explained, and do nothing")
    return parser


if __name__ == "__main__":
    run_command(main)
