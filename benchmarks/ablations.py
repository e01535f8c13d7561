"""What each part of the method is worth on rendered recordings: accuracies of performers whom no network has seen.

Run: `python -m benchmarks.ablations [--out ablations] [--seeds 3] [--clips 300] [--motions standard]`; an hour on two
cores. `--motions hard` wants more clips: 800 are two of every motion by every performer. Networks of the demo's size
are trained on both streams, whole and with one part switched off; the whole ones are fused, by the fusion network and
by averaging their probabilities. The last row says what can be reached at most (docs/preprocessing.md, "Rendered
recordings"). The last epoch's weights are what counts: to choose the best by the unseen performers would be to have
seen them. What is finished is not done again: the command can be stopped, repeated.
"""

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.support.training_runs import in_percent, run_command
from preprocess.synthetic.ceilings import BLIND_TO, ceiling
from preprocess.synthetic.motion_sets import MOTION_SETS, MotionSet

CONFIG = "configs/demo.yml"
STREAMS = ("rgb", "depth")
FUSION_EPOCHS = 5  # it starts from two trained streams
WHOLE = "whole network"
VARIANTS = {
    WHOLE: (),
    "without recoupling": ("network.recoupling=false",),
    "without guidance": ("network.guidance=false",),
    "one scale": ("network.branch_frames=[8, 8, 8]",),
    "plain mean over time": ("network.name=benchmarks.support.plain_mean:FAMILY",),
}


def train(out: Path, data: Path, modality: str, seed: int, *settings: str) -> float:
    """Train a network, unless that is done, and return its last epoch's accuracy."""
    settings = (f"modality={modality}", f"out={out}", f"data.root={data}", f"seed={seed}", *settings)
    overrides = [word for setting in settings for word in ("--set", setting)]
    run_command("training.main", "--config", CONFIG, "--resume", "auto", *overrides)
    return float(json.loads((out / "last.json").read_text())["top1"])


def fuse(folder: Path, data: Path, seed: int) -> dict[str, float]:
    """Return the accuracies of both ways to fuse the whole networks of a seed."""
    streams = {stream: folder / f"{WHOLE}-{stream}-{seed}" / "last.pt" for stream in STREAMS}
    settings = [f"streams.{stream}={path}" for stream, path in streams.items()]
    out = folder / f"fusion-{seed}"
    accuracy = train(out, data, "rgbd", seed, f"schedule.epochs={FUSION_EPOCHS}", *settings)
    plain = folder / f"plain-{seed}"
    run_command("training.evaluate", "--checkpoint", streams["rgb"], "--fuse", streams["depth"], "--out", plain)
    rows = json.loads((plain / "metrics-valid.json").read_text())["metrics"]
    return {"fusion": accuracy, "mean of probabilities": rows["mean of their probabilities"]["top1"]}


def ceilings(motions: MotionSet) -> dict[str, float]:
    """Return the highest accuracy of each column."""
    blind_to = {stream: BLIND_TO[stream] for stream in STREAMS}
    blind_to |= {"fusion": (), "mean of probabilities": BLIND_TO["late fusion"]}
    return {column: ceiling(motions.traits.values(), hidden) for column, hidden in blind_to.items()}


def print_table(cells: dict[tuple[str, str], list[float]], num_seeds: int, motions: MotionSet) -> None:
    limits = ceilings(motions)
    table = Table(f"top-1 %, mean and standard deviation of {num_seeds} seeds", *limits, box=None)
    for name in VARIANTS:
        values = [cells.get((name, column)) for column in limits]
        table.add_row(name, *(in_percent(v) if v else "" for v in values))
    table.add_row("at most", *(f"{100 * limit:.1f}" for limit in limits.values()))
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("ablations"), help="where everything is written (ablations)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each network (3)")
    parser.add_argument("--clips", type=int, default=300, help="recordings to render (300)")
    parser.add_argument("--motions", choices=MOTION_SETS, default="standard", help="what they show (standard)")
    options = parser.parse_args()
    out: Path = options.out / options.motions
    raw, data = out / "raw", out / "data"
    if not data.exists():
        rendering = ("--motions", options.motions, "--clips", options.clips, "--scale", 0.35)
        run_command("preprocess.synthetic", "--out", raw, *rendering)
        run_command("preprocess.ntu", "--raw", raw, "--out", data)
    seeds = range(options.seeds)
    jobs = [(name, stream, seed) for name in VARIANTS for stream in STREAMS for seed in seeds]
    console = Console(stderr=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def train_one(job: tuple[str, str, int]) -> float:
            name, stream, seed = job
            return train(out / f"{name}-{stream}-{seed}", data, stream, seed, *VARIANTS[name])

        accuracies = list(track(pool.map(train_one, jobs), "training streams", len(jobs), console=console))
        fused = pool.map(lambda seed: fuse(out, data, seed), seeds)
        fusions = list(track(fused, "fusing them", len(seeds), console=console))
    cells: dict[tuple[str, str], list[float]] = {}
    for (name, stream, _), accuracy in zip(jobs, accuracies, strict=True):
        cells.setdefault((name, stream), []).append(accuracy)
    for figures in fusions:
        for column, accuracy in figures.items():
            cells.setdefault((WHOLE, column), []).append(accuracy)
    print_table(cells, len(seeds), MOTION_SETS[options.motions])


if __name__ == "__main__":
    main()
