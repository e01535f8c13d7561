"""`torchrun --nproc_per_node=N training/main.py --config FILE`, or `python -m training.main --config FILE`."""

import argparse
import os
from pathlib import Path

import cv2

from rgbd.errors import UserError
from rgbd.files import atomic_file
from rgbd.overlap import check_apart
from rgbd.terminal import run_command
from training.config.loading import config_yaml, load_config
from training.config.schema import TrainingConfig
from training.data.checks import check_data
from training.data.class_weights import with_class_weights
from training.data.dataset import frame_folders
from training.run.checkpoint import Checkpoint
from training.run.checkpoint_files import CONFIG_FILE, owned, remove_run, run_files
from training.run.cpu import prepare_cpu
from training.run.display import Display
from training.run.distributed import Process, gather, process_group
from training.run.history import HISTORY_FILE, TENSORBOARD_FOLDER
from training.run.resume import find_resumable
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
        resumed = _resumed(config, options, process)
        if resumed is None:  # one that goes on may be told to by its own configuration
            written = [config.out / CONFIG_FILE, *run_files(config.out)]
            check_apart(written, [options.config, *config.starts_from], option=f"out {config.out}")
        trainer = Trainer(config, process, display, resumed)
        if process.is_main:
            if resumed is None:
                remove_run(config.out)
            changes = resumed.changes if resumed else ()
            with atomic_file(config.out / CONFIG_FILE) as temporary:
                temporary.write_text(config_yaml(config, changes), encoding="utf-8")
        best = trainer.run()
    display.say(f"best top-1 {best:.1%}; weights in {config.out / 'best.pt'}")
    return 0


def _resumed(config: TrainingConfig, options: argparse.Namespace, process: Process) -> Checkpoint | None:
    """Return the checkpoint that the run goes on from, if it does; raises `UserError` where `out` holds another run."""
    out = config.out
    # Under torchrun, a process that was killed begins again with the others, on other nodes perhaps.
    is_restart = any(gather(int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0, process))
    # A run that has diverged leaves what it has logged, and is begun again with other settings.
    results = [path for path in run_files(out) if path.name not in (HISTORY_FILE, TENSORBOARD_FOLDER)]
    weights = [path for path in results if path.suffix == ".pt"]
    if options.resume is not None or is_restart:
        path = None if options.resume in (None, "auto") else Path(options.resume)
        if path is not None and weights and path.resolve().parent != out.resolve():
            raise UserError(f"{out}: holds another run than {path}; name another out to go on there")
        if resumed := find_resumable(config, path):
            return resumed
        if weights and not options.overwrite:
            raise UserError(
                f"{out}: holds {weights[0].name}, and no last.pt to go on from; --resume that, or --overwrite"
            )
    elif results and not options.overwrite:
        raise UserError(
            f"{out}: holds a run ({results[0].name}); go on with --resume auto, or name another out, or --overwrite it"
        )
    return None


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
