"""Rooms and people, rendered as any depth camera sees them, and real people in them: depth with its truth."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from preprocess.synthetic.body import Floats
from preprocess.synthetic.cameras import Camera
from preprocess.synthetic.performers import PERFORMERS, Performer
from preprocess.synthetic.recording import look
from preprocess.synthetic.scene import Setup, render_background
from preprocess.synthetic.sensor import measure_depth
from preprocess.synthetic.solids import Solid, body_solids
from rgbd.camera.intrinsics import DepthCamera
from rgbd.types import Depth, Mask, Size


@dataclass(frozen=True)
class Seen:
    """One frame: uint16 millimetres [H, W], and bool [H, W], which of these are people's."""

    depth_mm: Depth
    mask: Mask


def rendering_camera(camera: DepthCamera, size: Size) -> Camera:
    """Return the camera that renders frames of this (width, height) as they are seen by another, centred."""
    across, upright = (
        2 * math.degrees(math.atan(length / 2 / abs(slope)))
        for length, slope in zip(size, camera.slope.tolist(), strict=True)
    )
    return Camera(*size, (across, upright))


def render_people(
    setup: Setup,
    camera: Camera,
    joints_at: Callable[[float], Sequence[Floats]],
    num_frames: int = 24,
    performers: Sequence[Performer] = PERFORMERS,
) -> list[Seen]:
    """Return people in a room; joints_at: everybody's, float32 [25, 3] in the room, at a time from 0 to 1."""
    room = render_background(setup, camera, camera)
    rng = np.random.default_rng(0)
    frames = []
    for number in range(num_frames):
        solids: list[Solid] = []
        for joints, performer in zip(joints_at(number / (num_frames - 1)), performers, strict=False):
            solids += body_solids(setup.mount.to_camera(joints), performer, 1.0)
        depth, mask = look(solids, len(solids), camera, room.depth_m)
        depth_mm = measure_depth(depth, rng)
        frames.append(Seen(depth_mm, mask & (depth_mm > 0)))
    return frames


def composite(person_mm: Sequence[Depth], room_m: Floats, num_rows: int, noise_per_m: float = 0.0015) -> list[Seen]:
    """Return real people, 0 around them, in a room [H, W] of metres with noise and holes; seen are the first rows."""
    rng = np.random.default_rng(0)
    is_seen = np.arange(len(room_m))[:, None] < num_rows
    frames = []
    for frame in person_mm:
        noisy = room_m + rng.normal(0, noise_per_m, room_m.shape) * room_m**2
        measured = is_seen & (rng.random(room_m.shape) > 0.01)
        depth = np.where(frame > 0, frame, 1000 * noisy) * measured
        frames.append(Seen(depth.astype(np.uint16), (frame > 0) & measured))
    return frames
