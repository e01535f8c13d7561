"""How well body masks agree with the truth of rendered recordings, by skeletons and by depth alone, and their time.

Run: `python -m benchmarks.masks [--clips 40] [--scale 1]` on Linux; it keeps to one core. The recordings are spread
over all motions, performers and set-ups. Flicker is what changes from frame to frame in a mask and not in the truth, as
a share of the body; time is that of masks alone, frames being in memory, the first look at a recording included.
"""

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.support.depth_list import DepthList
from preprocess.synthetic.motions import CLASS_NAMES
from preprocess.synthetic.recording import Recording, RenderedFrame
from rgbd.people.masks import find_masks
from rgbd.recording.skeleton import Body, Skeleton
from rgbd.types import Mask

NUM_RECORDINGS = 400  # 10 motions x 10 performers x 4 set-ups
FLAGS = (4, 5)  # these motions hold a large flag, which is no body in the truth, and is one for who sees depth alone
SEED = 1  # another than the tests', which were looked at while the limits were chosen


def jittered(skeleton: Skeleton) -> Skeleton:
    """Return what a real sensor may make of it: 2 cm of noise, and every tenth joint lost."""
    rng = np.random.default_rng(0)

    def spoil(body: Body) -> Body:
        joints = body.joints_m + rng.normal(0, 0.02, body.joints_m.shape).astype(np.float32)
        joints[rng.random(len(joints)) < 0.1] = np.nan
        return replace(body, joints_m=joints)

    return [tuple(spoil(body) for body in bodies) for bodies in skeleton]


SKELETONS: dict[str, Callable[[Skeleton], Skeleton]] = {
    "skeletons": lambda skeleton: skeleton,
    "skeletons, 2 cm noise, joints lost": jittered,
    "depth alone": lambda _: [],
}


def measure(frames: Sequence[RenderedFrame], skeleton: Skeleton) -> tuple[float, float, float, float]:
    """Return intersection over union, recall, flicker, and milliseconds a frame, means over the recording."""
    depth = DepthList([frame.depth_mm for frame in frames])
    start = time.perf_counter()
    masks = [mask for _, mask in find_masks(depth, "body", skeleton).pairs]
    milliseconds = 1000 * (time.perf_counter() - start) / len(frames)
    truth = [frame.mask for frame in frames]
    both = [int((mask & true).sum()) for mask, true in zip(masks, truth, strict=True)]
    union = [int((mask | true).sum()) for mask, true in zip(masks, truth, strict=True)]
    sizes = [max(1, int(true.sum())) for true in truth]
    return (
        float(np.mean(np.divide(both, union))),
        float(np.mean(np.divide(both, sizes))),
        float(np.mean(list(_flicker(masks, truth)))),
        milliseconds,
    )


def _flicker(masks: Sequence[Mask], truth: Sequence[Mask]) -> Iterator[float]:
    for index in range(1, len(masks)):
        changed = (masks[index] ^ masks[index - 1]) & ~(truth[index] ^ truth[index - 1])
        yield float(changed.sum() / max(1, truth[index].sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40, help="recordings (40)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of their frames (1)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    # The golden section's steps visit motions, performers and set-ups evenly.
    indexes = [int(number * 0.618034 * NUM_RECORDINGS) % NUM_RECORDINGS for number in range(options.clips)]
    figures = defaultdict(list)
    for index in track(indexes, "measuring", console=Console(stderr=True)):
        frames = list(Recording(index, SEED, options.scale).frames())
        for name, spoil in SKELETONS.items():
            figures[name].append(measure(frames, spoil([frame.bodies for frame in frames])))
    table = Table("masks by", "clips", "IoU", "worst", "recall", "worst", "flicker", "ms/frame", box=None)
    has_flag = np.array([index % len(CLASS_NAMES) in FLAGS for index in indexes])
    for name, rows in figures.items():
        values = np.array(rows)
        for what, chosen in (("", values), (", without flags", values[~has_flag])):
            mean, worst = chosen.mean(axis=0), chosen.min(axis=0)
            cells = (mean[0], worst[0], mean[1], worst[1], mean[2])
            table.add_row(name + what, str(len(chosen)), *(f"{cell:.3f}" for cell in cells), f"{mean[3]:.2f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
