"""Time to load one training clip of 64 frames, beside merely decoding its JPEGs and the plain per-frame method.

Run: `python -m benchmarks.training_data [--clips 12]`. One core; the rows alternate in one run and the best of three
rounds counts, because machines are shared. All files lie in the page cache.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from rgbd.clip.sampling import draw_per_bin
from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import SplitEntry, write_split
from rgbd.recording.stills.images import write_image
from training.config.schema import TrainingConfig
from training.data.dataset import ClipDataset, Draw

Array = NDArray[np.float64]

ROUNDS = 3
NUM_FRAMES, WINDOW = 84, 10
SIZE = (320, 240)


def write_clips(root: Path, count: int) -> list[str]:
    """Write clips of moving textures, JPEG quality 95 as preprocessing writes them; return their names."""
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 255, (480, 640, 3), np.uint8), (0, 0), 3)
    scene = cv2.normalize(scene, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    clips = [f"S001C001P001R{number + 1:03d}A001" for number in range(count)]
    for clip in clips:
        for index in range(NUM_FRAMES):
            path = NTU.frame_path(root, "rgb", clip, index)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, np.ascontiguousarray(scene[index : index + SIZE[1], 2 * index : 2 * index + SIZE[0]]))
    write_split(NTU.split_file(root, "train", "CS"), [SplitEntry(clip, NUM_FRAMES, 0) for clip in clips], NTU)
    return clips


def plain(paths: Sequence[Path], rng: np.random.Generator) -> tuple[Array, Array]:
    """Load a clip frame by frame with Pillow and make its guidance: docs/method.md, "Geometry", "Guidance"."""
    angle, (x, y) = int(rng.integers(-10, 11)), (int(rng.integers(97)), int(rng.integers(17)))
    frames = []
    for path in paths:
        with Image.open(path) as image:
            turned = image.convert("RGB").rotate(angle).resize(SIZE, Image.Resampling.BICUBIC)
        cut = turned.crop((x, y, x + 224, y + 224)).resize((224, 224), Image.Resampling.BICUBIC)
        frames.append((np.asarray(cut) - 127.5) / 128)
    return np.stack(frames), np.stack(guidance(frames))


def guidance(frames: Sequence[Array]) -> list[Array]:
    maps = [np.zeros(frames[0].shape[:2])] * (WINDOW - 1)
    for first in range(len(frames) - WINDOW + 1):
        ranked = sum((2 * (j + 1) - WINDOW - 1) * frames[first + j] for j in range(WINDOW))
        change = stretched(np.maximum(ranked, 0))
        grey = 0.2989 * change[..., 0] + 0.587 * change[..., 1] + 0.114 * change[..., 2]
        salient = np.where(grey > grey.mean(), grey, 0)
        salient = stretched(cv2.dilate(cv2.erode(salient, np.ones((2, 2))), np.ones((3, 3))))
        maps.append((grey + salient) * salient)
    return maps


def stretched(image: Array) -> Array:
    image = image - image.min()
    largest = image.max()
    return image / largest if largest > 0 else image


def measure(stages: dict[str, Callable[[int], object]], count: int) -> dict[str, float]:
    """Return the best milliseconds a clip of each stage, which takes a clip's number."""
    best = dict.fromkeys(stages, float("inf"))
    for _ in range(ROUNDS):
        for name, stage in stages.items():
            start = time.perf_counter()
            for number in range(count):
                stage(number)
            best[name] = min(best[name], 1000 * (time.perf_counter() - start) / count)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=12, help="clips to load (12)")
    count = parser.parse_args().clips
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clips = write_clips(root, count)
        config = TrainingConfig.model_validate({"modality": "rgb", "data": {"root": root}, "augment": {"rotated": 1.0}})
        dataset = ClipDataset(config, "train")
        chosen = [draw_per_bin(NUM_FRAMES, 64, np.random.default_rng(number)) for number in range(count)]
        paths = [[NTU.frame_path(root, "rgb", clip, i) for i in rows] for clip, rows in zip(clips, chosen, strict=True)]
        stages: dict[str, Callable[[int], object]] = {
            "decode its JPEGs (OpenCV)": lambda number: [cv2.imread(str(path)) for path in paths[number]],
            "plain, guidance in the loader": lambda number: plain(paths[number], np.random.default_rng(number)),
            "ours: decode and one warp to uint8": lambda number: dataset[Draw(number, 0)],
        }
        best = measure(stages, count)
    table = Table("one clip of 64 frames, one core", "ms", "of decoding", "times as fast as plain", box=None)
    decoding, slow = list(best.values())[:2]
    for name, value in best.items():
        table.add_row(name, f"{value:.0f}", f"{value / decoding:.2f}", f"{slow / value:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
