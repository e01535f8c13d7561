"""Training runs that are killed (SIGKILL) at random moments again and again: does each end as if nothing had happened?

Run: `python -m benchmarks.endurance.kills [--kills 200] [--processes 1 2]`. A run of a small network, with averaged
weights and checkpoints after every step, is trained undisturbed, and then killed and gone on with until it has ended;
that is repeated until there were so many kills, for each number of processes. At the end of each run, weights, figures,
scores and history must be those of the undisturbed one, bit for bit, and nothing half-written may be left. The table
says what the runs were doing when they were killed, by what is in their folders then.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from typing import Any

import torch
import yaml
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.support.faults import tell_faults
from benchmarks.support.ports import free_port
from benchmarks.training_scaling import write_data
from training.main import main as train
from training.run.checkpoint import load_checkpoint
from training.run.history import read_history
from training.run.metrics import load_evaluation

_STARTING_S = 120
_CONTEXT = multiprocessing.get_context("forkserver")


def write_config(root: Path) -> Path:
    """Write data and the configuration of a run of some seconds, half of which it evaluates and saves."""
    write_data(root / "data", 12)
    settings = {
        "modality": "rgb",
        "batch_size": 4,
        "data": {"root": str(root / "data"), "num_workers": 0, "eval_batch_size": 1},
        "clip": {"num_frames": 8, "resize": [64, 48], "crop": 48, "size": 32},
        "network": {"width": 0.125, "branch_frames": [2, 4, 6], "num_blocks": 1, "num_heads": 4, "guidance_window": 3},
        "optimizer": {"name": "adamw", "lr": 2.0e-3, "ema_decay": 0.9},
        "schedule": {"epochs": 3, "warmup_epochs": 1, "tau": [0.1, 0.1]},
        "keep": {"every_steps": 1, "keep_last": 2, "keep_best": 2},
    }
    path = root / "run.yml"
    path.write_text(yaml.safe_dump(settings))
    return path


def _train(words: list[str], environment: dict[str, str], log: Path) -> None:
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    sys.argv = ["training.main", *words]
    sys.exit(train())


def start(config: Path, out: Path, num_processes: int) -> list[ForkServerProcess]:
    """Start a run, or go on with it, in processes that find torch imported."""
    port, words = str(free_port()), ["--config", str(config), "--set", f"out={out}", "--resume", "auto"]
    processes = []
    for rank in range(num_processes):
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(num_processes)}
        environment = {**ranks, "MASTER_ADDR": "localhost", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
        log = out.with_suffix(".log")
        processes.append(_CONTEXT.Process(target=_train, args=(words, environment, log)))
        processes[-1].start()
    return processes


def begins(out: Path, processes: list[ForkServerProcess]) -> bool:
    """Wait until the run has taken its folder over; return whether it has, and did not end before."""
    since, deadline = time.time(), time.monotonic() + _STARTING_S
    while time.monotonic() < deadline and all(process.is_alive() for process in processes):
        config = out / "config.yml"
        if config.exists() and config.stat().st_mtime >= since - 0.5:
            return True
        time.sleep(0.005)
    return False


def doing(out: Path) -> str:
    """Return what a run that was killed was at, by what it has left."""
    if list(out.glob(".*.tmp*")):
        return "writing a file"
    if not (out / "last.pt").exists():
        return "before the first checkpoint"
    last = load_checkpoint(out / "last.pt")
    rows = read_history(out)
    if last.position.batches:
        return "training"
    if not last.metrics:
        return "evaluating"
    return "training" if rows and rows[-1]["epoch"] == last.position.epoch else "between two files"


def kill_again_and_again(
    config: Path, out: Path, num_processes: int, span_s: float, random: Random, moments: Counter[str], most: int
) -> None:
    """Kill a run at random moments, until it has ended or there were enough kills; then let it end."""
    while True:
        processes = start(config, out, num_processes)
        is_enough = moments.total() >= most
        if begins(out, processes) and not is_enough:
            deadline = time.monotonic() + random.random() * span_s
            while time.monotonic() < deadline and any(process.is_alive() for process in processes):
                time.sleep(0.001)
            if any(process.is_alive() for process in processes):
                for process in random.sample(processes, len(processes)):
                    process.kill()
                for process in processes:
                    process.join()
                moments[doing(out)] += 1
                continue
        for process in processes:
            process.join()
        if codes := [process.exitcode for process in processes if process.exitcode]:
            raise RuntimeError(f"exit codes {codes}: {out.with_suffix('.log').read_text()[-2000:]}")
        return


def differences(out: Path, undisturbed: Path) -> list[str]:
    """Return what is not as in the undisturbed run."""
    found = [f"{path.name} was left" for path in out.glob(".*")] + _unequal(
        "files",
        *(sorted(path.name for path in folder.iterdir() if path.name[0] != ".") for folder in (out, undisturbed)),
    )
    for name in ("last.pt", "best.pt"):
        ours, theirs = load_checkpoint(out / name), load_checkpoint(undisturbed / name)
        for part in ("model", "averaged"):
            weights, wanted = getattr(ours, part), getattr(theirs, part)
            found += [f"{name}: {key}" for key, value in weights.items() if not torch.equal(value, wanted[key])]
        found += _unequal(f"{name}: position", ours.position, theirs.position)
        found += _unequal(f"{name}: metrics", ours.metrics, theirs.metrics)
    for name in ("last.json", "best.json"):
        found += _unequal(name, (out / name).read_text(), (undisturbed / name).read_text())
    scores = [load_evaluation(folder / "scores-valid.npz").digest() for folder in (out, undisturbed)]
    rows = [[(row["epoch"], row["valid"]) for row in read_history(folder)] for folder in (out, undisturbed)]
    return found + _unequal("scores", *scores) + _unequal("history", *rows)


def _unequal(name: str, ours: Any, theirs: Any) -> list[str]:
    return [] if ours == theirs else [f"{name}: {ours}, not {theirs}"]


def endure(config: Path, num_processes: int, options: argparse.Namespace, console: Console) -> list[str]:
    """Kill runs of so many processes; print what they were doing, and return what went wrong."""
    whole, random = config.parent / f"whole{num_processes}", Random(f"{options.seed} {num_processes}")
    processes = start(config, whole, num_processes)
    begins(whole, processes)
    since = time.monotonic()
    for process in processes:
        process.join()
    span_s = time.monotonic() - since
    moments, faults, num_runs = Counter[str](), list[str](), 0
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(f"{num_processes} processes", total=options.kills)
        while moments.total() < options.kills and not faults:
            out, num_runs = config.parent / f"{num_processes}.{num_runs}", num_runs + 1
            most = min(options.kills, moments.total() + options.each)
            kill_again_and_again(config, out, num_processes, span_s / 2, random, moments, most)
            faults += [f"run {num_runs} of {num_processes} processes: {fault}" for fault in differences(out, whole)]
            progress.update(task, completed=moments.total())
    table = Table(f"{num_processes} processes, {num_runs} runs: killed when", "times")
    for moment, number in sorted(moments.items()):
        table.add_row(moment, str(number))
    table.add_row("in all", str(moments.total()))
    console.print(table)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="for each number of processes (200)")
    parser.add_argument("--each", type=int, default=10, help="kills of one run at most (10)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="numbers of training processes (1 2)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console = Console(highlight=False, width=80)
    _CONTEXT.set_forkserver_preload(["torch", "torch.utils.tensorboard", "torchmetrics", "training.main"])
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder))
        faults = [fault for number in options.processes for fault in endure(config, number, options, console)]
    return tell_faults(console, faults, "all runs ended as if nothing had happened")


if __name__ == "__main__":
    sys.exit(main())
