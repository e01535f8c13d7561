"""One training step, forward, loss and backward, beside an eager Conv3d form of the same network; and its memory.

Run: `python -m benchmarks.training_step [--family umdr] [--frames 64] [--size 128] [--batch 2]` on Linux. The rows
alternate in one run, each in a process of its own, and the best of all counts, because machines are shared. The Conv3d
form takes its guidance ready made, as the reference's loader hands it over; of the first family, with the loop, it
computes similarities one by one, as the reference does in every forward pass (docs/method.md, "What the reference does
differently", row 10).
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from benchmarks.support.eager_3d import EagerDsn, EagerUmdr
from benchmarks.support.published import FAMILIES, published
from export.runtimes.machine import peak_memory_mb
from training.data.loader import Batch
from training.networks.family import family_of
from training.run.checkpoint import build_network
from training.run.cpu import keep_memory
from training.run.distributed import Process
from training.run.step import Stepper, build_optimizer

ROUNDS, STEPS = 2, 4
NUM_CLASSES = 60


def clips(options: argparse.Namespace) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (options.batch, options.frames, options.size, options.size, 3)
    return torch.randint(0, 255, shape, dtype=torch.uint8, generator=generator)


def ours(options: argparse.Namespace, **compute: object) -> Callable[[], object]:
    """Return a function that does forward, loss and backward, and the optimizer's step."""
    config = published(options.family, "rgb", options.frames, compute)
    stepper = Stepper(build_network(config, NUM_CLASSES), config, Process(0, 1, torch.device("cpu")))
    labels = torch.arange(options.batch)
    batch = Batch((clips(options),), labels, labels)
    return lambda: stepper.step([batch], [np.random.default_rng(0)], epoch=config.schedule.warmup_epochs + 1)


def eager(options: argparse.Namespace, form: Callable[[nn.Module], EagerDsn | EagerUmdr]) -> Callable[[], object]:
    """Return the same of a plain form; what the reference's loader hands over is ready."""
    config = published(options.family, "rgb", options.frames)
    family, network = family_of(config), form(build_network(config, NUM_CLASSES))
    optimizer = build_optimizer(network, config.optimizer)
    prepared, labels = network.prepared(clips(options)), torch.arange(options.batch)

    def step() -> None:
        loss = family.loss(network(*prepared), labels, config, config.schedule.warmup_epochs + 1)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()

    return step


def forms_of(family: str) -> Mapping[str, Callable[[argparse.Namespace], Callable[[], object]]]:
    """Return what is measured, plain forms first."""
    plain = {name: partial(eager, form=form) for name, form in FAMILIES[family].eager.items()}
    return {
        **plain,
        "ours": ours,
        "ours, activation checkpointing": partial(ours, checkpoint_activations=True),
        "ours, bf16 autocast": partial(ours, autocast="bf16"),
    }


def measure_here(options: argparse.Namespace) -> None:
    """Print the best seconds and the peak memory of the form that `options` names."""
    if options.form.startswith("ours"):
        keep_memory()  # as training does
    step = forms_of(options.family)[options.form](options)
    seconds = []
    for _ in range(1 + STEPS):  # the first one warms up
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps([min(seconds[1:]), peak_memory_mb() / 1e3]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=FAMILIES, default=next(iter(FAMILIES)), help="(%(default)s)")
    parser.add_argument("--frames", type=int, help="of a clip (the family's usual)")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--form", help=argparse.SUPPRESS)  # of the processes that it starts
    options = parser.parse_args()
    options.frames = options.frames or FAMILIES[options.family].num_frames
    if options.form:
        measure_here(options)
        return
    forms = forms_of(options.family)
    best = dict.fromkeys(forms, (float("inf"), 0.0))
    for name in track([*forms] * ROUNDS, "measuring", console=Console(stderr=True)):
        command = [sys.executable, "-m", "benchmarks.training_step", *sys.argv[1:], "--form", name]
        seconds, gigabytes = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        best[name] = min(best[name], (seconds, gigabytes))
    table = Table(f"one step, {options.batch}x{options.frames}x{options.size}x{options.size}", "s", box=None)
    plain = FAMILIES[options.family].eager
    for column in (*(f"times as fast as {name}" for name in plain), "GB at most"):
        table.add_column(column, justify="right")
    for name, (seconds, gigabytes) in best.items():
        ratios = [f"{best[form][0] / seconds:.2f}" for form in plain]
        table.add_row(name, f"{seconds:.2f}", *ratios, f"{gigabytes:.1f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
