"""How well body masks agree with the truth, by skeletons and by depth alone, and their time.

Run: `python -m benchmarks.masks [--clips 40] [--camera d435]` for rendered recordings, spread over all motions,
performers and set-ups, as Kinect v2 or another camera sees them, and with `--taken-for kinect_v1` what it costs to take
that for another one; `python -m benchmarks.masks --utd-mhad FOLDER` for the real people of UTD-MHAD, whose depth has no
background, put into rendered rooms with noise and holes: whole, and with the floor and their legs out of view. On Linux
it keeps to one core. Flicker is what changes from frame to frame in a mask and not in the truth, as a share of the
body; time is that of masks alone, frames being in memory, the first look at a recording included.
"""

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.support.depth_list import DepthList
from benchmarks.support.scenes import Seen, composite, rendering_camera
from preprocess.synthetic.cameras import Mount
from preprocess.synthetic.motions import CLASS_NAMES
from preprocess.synthetic.recording import Recording
from preprocess.synthetic.scene import SETUPS, render_background
from preprocess.utd_mhad import read_skeleton
from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.sensors import SENSOR_NAMES, Sensor, find_sensor
from rgbd.people.masks import find_masks
from rgbd.recording.depth import MeasuredDepth
from rgbd.recording.formats import open_stream
from rgbd.recording.skeletons.skeleton import Body, Skeleton
from rgbd.types import Mask, Size

NUM_RECORDINGS = 400  # 10 motions x 10 performers x 4 set-ups
FLAGS = (4, 5)  # these motions hold a large flag, which is no body in the truth, and is one for who sees depth alone
SEED = 1  # another than the tests', which were looked at while the limits were chosen
WITHOUT_FLOOR = 0.62  # of the frame's rows: somebody of UTD-MHAD is seen to the thighs, and no floor


@dataclass(frozen=True)
class Clip:
    """Frames with their truth, and what a sensor's software and the recorder know of them."""

    frames: Sequence[Seen]
    skeleton: Skeleton
    camera: DepthCamera


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
OF_REAL_PEOPLE = ("skeletons", "depth alone")  # a real skeleton has noise of its own


def measure(clip: Clip, skeleton: Skeleton) -> tuple[float, float, float, float, float]:
    """Return intersection over union, recall, flicker, milliseconds a frame, and whether nobody was found at all.

    Means over the recording.
    """
    depth = DepthList([frame.depth_mm for frame in clip.frames])
    start = time.perf_counter()
    masks = [mask for _, mask in find_masks(depth, "body", skeleton, clip.camera).pairs]
    milliseconds = 1000 * (time.perf_counter() - start) / len(masks)
    truth = [frame.mask for frame in clip.frames]
    both = [int((mask & true).sum()) for mask, true in zip(masks, truth, strict=True)]
    union = [max(1, int((mask | true).sum())) for mask, true in zip(masks, truth, strict=True)]
    sizes = [max(1, int(true.sum())) for true in truth]
    return (
        float(np.mean(np.divide(both, union))),
        float(np.mean(np.divide(both, sizes))),
        float(np.mean(list(_flicker(masks, truth)))),
        milliseconds,
        float(not any(mask.any() for mask in masks)),
    )


def _flicker(masks: Sequence[Mask], truth: Sequence[Mask]) -> Iterator[float]:
    for index in range(1, len(masks)):
        changed = (masks[index] ^ masks[index - 1]) & ~(truth[index] ^ truth[index - 1])
        yield float(changed.sum() / max(1, truth[index].sum()))


def evenly(total: int, count: int) -> list[int]:
    """Return places that the golden section's steps visit evenly: motions, performers, set-ups or takes; or all."""
    if count >= total:
        return list(range(total))
    return [int(number * 0.618034 * total) % total for number in range(count)]


def sizes_of(sensor: Sensor) -> list[Size]:
    """Return the (width, height) of all frames that a sensor makes."""
    return [size for mode in sensor.modes for size in mode.sizes]


def rendered_clip(index: int, sensor: Sensor, taken_for: Sensor, scale: float) -> Clip:
    """Return a recording of the rendered set as one camera sees it and as it is taken for another's.

    Its frames have the first size that both have.
    """
    width, height = next(size for size in sizes_of(sensor) if size in sizes_of(taken_for))
    size = 2 * round(width * scale / 2), 2 * round(height * scale / 2)
    frames = list(Recording(index, SEED, scale, rendering_camera(sensor.camera(size), size)).frames())
    seen = [Seen(frame.depth_mm, frame.mask) for frame in frames]
    return Clip(seen, [frame.bodies for frame in frames], taken_for.camera(size))


def real_clip(depth: Path, index: int, share: float) -> Clip:
    """Return a recording of UTD-MHAD in one of the rendered rooms, of which the upper `share` of the rows is seen."""
    stream = open_stream(depth, "depth")
    person_mm = list(MeasuredDepth(stream, 1.0))
    camera = find_sensor("kinect_v1").camera(stream.size)
    skeleton = depth.parents[1] / "Skeleton" / depth.name.replace("_depth", "_skeleton")
    room_m = _room_around(person_mm, camera, index)
    frames = composite(person_mm, room_m, round(share * stream.size[1]))
    return Clip(frames, read_skeleton(skeleton, stream.size, None), camera)


def _room_around(person_mm: Sequence[np.ndarray], camera: DepthCamera, index: int) -> np.ndarray:
    """Return metres [H, W] of a room whose floor lies below the feet, and whose furniture and walls behind."""
    height, width = person_mm[0].shape
    setup = SETUPS[index % len(SETUPS)]
    z_m = np.stack(person_mm) * np.float32(0.001)
    heights = camera.tangents((height, width)).rows * z_m
    feet_m = float(np.percentile(np.where(z_m > 0, heights, 9).min(axis=(1, 2)), 20))
    setup = replace(setup, mount=Mount(-feet_m, 0.0))
    view = rendering_camera(camera, (width, height))
    room_m = render_background(setup, view, view).depth_m
    farthest_m = np.where(z_m > 0, z_m, 0).max(axis=0)
    return np.maximum(room_m, np.where(farthest_m > 0, farthest_m + 0.3, 0))  # nobody stands in furniture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40, help="recordings (40)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of rendered frames (1)")
    parser.add_argument("--camera", choices=SENSOR_NAMES, default="kinect_v2", help="that renders (kinect_v2)")
    parser.add_argument("--taken-for", choices=SENSOR_NAMES, help="the camera that masks take it for (the same)")
    parser.add_argument("--utd-mhad", type=Path, metavar="FOLDER", help="the real people of this data set instead")
    options = parser.parse_args()
    sensor, taken_for = find_sensor(options.camera), find_sensor(options.taken_for or options.camera)
    if not set(sizes_of(sensor)) & set(sizes_of(taken_for)):
        parser.error(f"{sensor.title} and {taken_for.title} have no frames of one size")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    figures: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    console = Console(stderr=True)
    if options.utd_mhad is None:
        indexes = evenly(NUM_RECORDINGS, options.clips)
        for index in track(indexes, "measuring", console=console):
            clip = rendered_clip(index, sensor, taken_for, options.scale)
            has_flag = index % len(CLASS_NAMES) in FLAGS
            for name, spoil in SKELETONS.items():
                row = measure(clip, spoil(clip.skeleton))
                figures[name].append(row)
                if not has_flag:
                    figures[f"{name}, without flags"].append(row)
    else:
        paths = sorted((options.utd_mhad / "Depth").glob("*.mat"))
        for index in track(evenly(len(paths), options.clips), "measuring", console=console):
            for view, share in (("", 1.0), (", no floor in view", WITHOUT_FLOOR)):
                clip = real_clip(paths[index], index, share)
                for name in OF_REAL_PEOPLE:
                    figures[name + view].append(measure(clip, SKELETONS[name](clip.skeleton)))
    _print(figures)


def _print(figures: dict[str, list[tuple[float, ...]]]) -> None:
    table = Table("masks by", "clips", "IoU", "worst", "recall", "worst", "flicker", "ms/frame", "empty", box=None)
    for name, rows in figures.items():
        values = np.array(rows)
        mean, worst = values.mean(axis=0), values.min(axis=0)
        cells = (f"{cell:.3f}" for cell in (mean[0], worst[0], mean[1], worst[1], mean[2]))
        table.add_row(name, str(len(values)), *cells, f"{mean[3]:.2f}", str(int(values[:, 4].sum())))
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
