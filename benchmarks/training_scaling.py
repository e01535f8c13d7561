"""Clips a second of two training processes on two cores, beside one on one; each has one thread.

Run: `python -m benchmarks.training_scaling [--clips 96]` on Linux with two free cores. Rounds alternate and the best
counts, because machines are shared. What is counted is the second epoch: the first one includes all that starts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import yaml
from rich.console import Console
from rich.progress import track

from rgbd.dataset.layouts import NTU, Split
from rgbd.dataset.splits import SplitEntry, write_class_names, write_split
from rgbd.recording.stills.images import write_image
from training.run.history import read_history

ROUNDS = 3
NUM_FRAMES = 24


def write_data(root: Path, count: int) -> None:
    """Write so many clips of noise to train on, and a few to evaluate."""
    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.integers(0, 255, (240, 400, 3), np.uint8), (0, 0), 3)
    halves: dict[Split, int] = {"train": count, "valid": 2}
    for performer, (split, number) in enumerate(halves.items(), start=1):
        entries = []
        for replication in range(number):
            clip = f"S001C001P{performer:03d}R{replication:03d}A001"
            for index in range(NUM_FRAMES):
                path = NTU.frame_path(root, "rgb", clip, index)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, np.ascontiguousarray(noise[:, index : index + 320]))
            entries.append(SplitEntry(clip, NUM_FRAMES, replication % 2))
        write_split(NTU.split_file(root, split, "CS"), entries, NTU)
    write_class_names(root, ["a", "b"])


def clips_per_second(config: Path, out: Path, num_processes: int) -> float:
    """Train two epochs with one process a core, and return the rate of the second of all processes together."""
    cores = sorted(os.sched_getaffinity(0))[:num_processes]
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={num_processes}", "training/main.py"]
    command = [sys.executable, *launch, "--config", str(config), "--set", f"out={out}"]
    subprocess.run(
        ["taskset", "-c", ",".join(map(str, cores)), *command],
        check=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return float(read_history(out)[1]["train"]["clips_per_s"]) * num_processes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=96, help="clips of an epoch (96)")
    options = parser.parse_args()
    best = {1: 0.0, 2: 0.0}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_data(root / "data", options.clips)
        settings = yaml.safe_load(Path("configs/demo.yml").read_text())
        settings |= {"data": {"root": str(root / "data"), "num_workers": 0}, "batch_size": 4}
        settings["schedule"] |= {"epochs": 2}
        config = root / "run.yml"
        config.write_text(yaml.safe_dump(settings))
        for round_ in track(range(ROUNDS), "measuring", console=Console(stderr=True)):
            for number, before in best.items():
                best[number] = max(before, clips_per_second(config, root / f"{round_}.{number}", number))
    Console(highlight=False).print(
        f"1 process on 1 core {best[1]:.1f} clips/s, 2 on 2 cores {best[2]:.1f}: {best[2] / best[1]:.2f} times as many"
    )


if __name__ == "__main__":
    main()
