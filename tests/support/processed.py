"""Processed data sets: what their records say; and a small one, a bar that moves right or down in both streams."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rgbd.dataset.layouts import NTU, Split
from rgbd.dataset.splits import SplitEntry, write_class_names, write_split
from rgbd.recording.stills.images import write_image


def records(out: Path) -> dict[str, dict[str, Any]]:
    """Return the record of each clip by its name, as it is on disk."""
    lines = [json.loads(line) for line in (out / "records.jsonl").read_text().splitlines()]
    return {line["clip"]: line for line in lines}


def write_clips(root: Path, *, clips: dict[Split, int], num_frames: int = 12) -> None:
    """Write `clips[split]` clips of 80x60 frames for each half: a bar moves right in class 0, down in class 1."""
    rng = np.random.default_rng(0)
    splits: tuple[Split, Split] = ("train", "valid")
    for performer, split in enumerate(splits, start=2):
        entries = []
        for number in range(clips[split]):
            label = number % 2
            clip = f"S001C001P{performer:03d}R{number + 1:03d}A{label + 1:03d}"
            _write_clip(root, clip, label, num_frames, rng)
            entries.append(SplitEntry(clip, num_frames, label))
        write_split(NTU.split_file(root, split, "CS"), entries, NTU)
    write_class_names(root, ["right", "down"])


def _write_clip(root: Path, clip: str, label: int, num_frames: int, rng: np.random.Generator) -> None:
    start = int(rng.integers(0, 10))
    for index in range(num_frames):
        image = np.full((60, 80), 40, np.uint8)
        place = start + 3 * index
        image[(slice(None), slice(place, place + 12)) if label == 0 else (slice(place, place + 12), slice(None))] = 220
        noisy = np.clip(image[:, :, None] + rng.normal(0, 5, (60, 80, 3)), 0, 255).astype(np.uint8)
        for path, frame in (
            (NTU.frame_path(root, "rgb", clip, index), noisy),
            (NTU.frame_path(root, "depth", clip, index), (image.astype(np.uint16) * 8 + 1000)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, frame)


def write_config(path: Path, root: Path, out: Path, **sections: object) -> Path:
    """Write a configuration for a tiny network on that data set."""
    config: dict[str, object] = {
        "modality": "rgb",
        "out": str(out),
        "batch_size": 8,
        "data": {"root": str(root), "num_workers": 0},
        "clip": {"num_frames": 8, "resize": [64, 48], "crop": 48, "size": 32},
        "network": {
            "width": 0.125,
            "branch_frames": [2, 4, 6],
            "num_blocks": 1,
            "num_heads": 4,
            "guidance_window": 3,
            "batchnorm_momentum": 0.3,
        },
        "augment": {"flip": 0.0, "rotated": 0.2, "angle_deg": [-3, 3]},
        "optimizer": {"name": "adamw", "lr": 2.0e-3},
        "schedule": {"epochs": 4, "warmup_epochs": 1, "tau": [0.1, 0.1], "evaluate_every": 2},
    }
    path.write_text(yaml.safe_dump(config | sections))
    return path


def write_toy_config(path: Path, root: Path, out: Path, **sections: object) -> Path:
    """Write the same for the toy family: for tests of runs, whatever their network. A step takes a fraction there.

    Its weights are averaged and updated, its frames drawn and its features dropped as those of the published networks.
    """
    network = {"name": "tests.support.toy_family:FAMILY", "channels": 6}
    schedule = {"epochs": 4, "warmup_epochs": 1, "evaluate_every": 2}
    return write_config(path, root, out, **{"network": network, "schedule": schedule, **sections})
