"""A training that was stopped after an epoch and goes on, beside one that was not: the same weights."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml

from benchmarks.gpu_check.networks import TINY, TINY_CLIP
from benchmarks.gpu_check.rows import Row, compared
from rgbd.dataset.layouts import NTU, Split
from rgbd.dataset.splits import SplitEntry, write_class_names, write_split
from rgbd.recording.stills.images import write_image
from training.run.checkpoint import load_checkpoint

_NUM_FRAMES, _SIZE = 12, (80, 60)
_CLIPS: dict[Split, int] = {"train": 16, "valid": 4}
# On the CPU weights are equal, bit by bit; a GPU adds gradients up in an order of its own each time.
_LIMITS = {"cpu": 0.0, "cuda": 5e-2}


def check(device: str, folder: Path) -> Iterator[Row]:
    _write_data(folder / "data")
    config = {
        "modality": "rgb",
        "batch_size": 8,
        "data": {"root": str(folder / "data"), "num_workers": 1},
        "clip": {**TINY_CLIP, "resize": list(TINY_CLIP["resize"])},
        "network": {**TINY["dsn"], "branch_frames": list(TINY["dsn"]["branch_frames"])},
        "schedule": {"epochs": 2, "warmup_epochs": 1},
        "keep": {"keep_last": 2},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(config))
    whole, resumed = folder / "whole", folder / "resumed"
    _train(folder, whole)
    before = whole / "epoch-001.pt"
    _train(folder, resumed, "--resume", str(before))
    start, expected, found = (_weights(path) for path in (before, whole / "last.pt", resumed / "last.pt"))
    distance = float((found - expected).norm() / (expected - start).norm())
    yield compared("epoch after resuming, from one without", distance, _LIMITS[device])


def _train(folder: Path, out: Path, *words: str) -> None:
    command = [sys.executable, "-m", "training.main", "--config", str(folder / "config.yml"), "--set", f"out={out}"]
    subprocess.run([*command, *words], check=True)


def _weights(path: Path) -> torch.Tensor:
    """Return all weights of a checkpoint in one row."""
    return torch.cat([value.double().flatten() for value in load_checkpoint(path).model.values()])


def _write_data(root: Path) -> None:
    """Write clips of two classes: a texture that moves right, or down."""
    rng = np.random.default_rng(0)
    width, height = _SIZE
    for performer, (split, count) in enumerate(_CLIPS.items(), start=1):
        entries = []
        for number in range(count):
            label = number % 2
            clip = f"S001C001P{performer:03d}R{number + 1:03d}A{label + 1:03d}"
            scene = cv2.GaussianBlur(rng.integers(0, 255, (2 * height, 2 * width, 3), np.uint8), (0, 0), 3)
            for index in range(_NUM_FRAMES):
                top, left = (0, 3 * index) if label == 0 else (3 * index, 0)
                path = NTU.frame_path(root, "rgb", clip, index)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_image(path, np.ascontiguousarray(scene[top : top + height, left : left + width]))
            entries.append(SplitEntry(clip, _NUM_FRAMES, label))
        write_split(NTU.split_file(root, split, "CS"), entries, NTU)
    write_class_names(root, ["right", "down"])
