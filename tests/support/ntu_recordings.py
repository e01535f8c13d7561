"""Tiny raw recordings in the NTU layout: a flat figure that walks before a wall, with a known registration."""

from pathlib import Path

import cv2
import numpy as np

from rgbd.recording.skeletons.joint_layout import KINECT_V2
from rgbd.recording.skeletons.ntu_skeleton import write_skeleton
from rgbd.recording.skeletons.skeleton import Body, Skeleton
from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video

COLOR_SIZE, DEPTH_SIZE = (480, 270), (128, 106)
WALL_MM, BODY_MM = 4000, 2500
FOCAL_PX = 91.0
TO_COLOR = np.array([[2.89, 0.0, 47.0], [0.0, 2.89, -15.0]])
FLOOR_M = -0.9  # just below the figure's feet
CLIP, OTHER_CLIP = "S001C002P001R001A002", "S001C002P003R001A001"  # performers 1 (train) and 3 (valid)
CLIPS = [f"S001C001P001R001A{action:03d}" for action in range(1, 31)]

# Joints of somebody with arms stretched out, metres right of and above the pelvis.
_POSE = [(0, 0), (0, 0.3), (0, 0.6), (0, 0.72), (-0.18, 0.5), (-0.42, 0.5), (-0.65, 0.5), (-0.73, 0.5)]
_POSE += [(0.18, 0.5), (0.42, 0.5), (0.65, 0.5), (0.73, 0.5), (-0.1, 0), (-0.12, -0.4), (-0.13, -0.8), (-0.18, -0.85)]
_POSE += [
    (0.1, 0),
    (0.12, -0.4),
    (0.13, -0.8),
    (0.18, -0.85),
    (0, 0.5),
    (-0.8, 0.5),
    (-0.7, 0.55),
    (0.8, 0.5),
    (0.7, 0.55),
]


def body_at(offset_m: float) -> Body:
    """Return the figure, `offset_m` right of the depth frame's centre."""
    joints_m = np.column_stack([np.add(_POSE, (offset_m, 0)), np.full(25, BODY_MM / 1000)])
    depth_xy = joints_m[:, :2] / joints_m[:, 2:] * (FOCAL_PX, -FOCAL_PX) + (64, 53)
    color_xy = depth_xy @ TO_COLOR[:, :2].T + TO_COLOR[:, 2]
    arrays = (array.astype(np.float32) for array in (joints_m, depth_xy, color_xy, np.zeros((25, 4))))
    return Body("72057594037927936", *arrays, np.full(25, 2))


def draw(image: np.ndarray, body: Body, places: np.ndarray, value: float | tuple[int, int, int], zoom: float) -> None:
    """Draw the figure's bones where `places` [25, 2] says, 12 cm thick."""
    thickness = round(0.12 * zoom * FOCAL_PX / body.joints_m[0, 2])
    for start, end, _ in KINECT_V2.bones:
        cv2.line(
            image, tuple(map(round, places[start].tolist())), tuple(map(round, places[end].tolist())), value, thickness
        )


def make_recording(
    raw: Path, clip: str = CLIP, *, rgb_frames: int = 6, depth_frames: int = 6, skeleton: bool = True, two: bool = False
) -> Skeleton:
    """Write one recording below `raw` and return the skeleton, whether or not it was written."""
    frames: Skeleton = []
    images = []
    for index in range(max(rgb_frames, depth_frames)):
        bodies = (body_at(0.05 * index - 0.3), *([body_at(0.6)] if two else []))
        depth = np.full(DEPTH_SIZE[::-1], WALL_MM, np.uint16)
        color = np.full((*COLOR_SIZE[::-1], 3), 90, np.uint8)
        for body in bodies:
            draw(depth, body, body.depth_xy, BODY_MM, 1)
            draw(color, body, body.color_xy, (255, 30, 30), TO_COLOR[0, 0])
        if index < depth_frames:
            folder = raw / "nturgb+d_depth" / clip
            folder.mkdir(parents=True, exist_ok=True)
            write_image(folder / f"Depth-{index + 1:08d}.png", depth)
            frames.append(bodies)
        images.append(color)
    write_video(raw / "nturgb+d_rgb" / f"{clip}_rgb.avi", images[:rgb_frames])
    if skeleton:
        write_skeleton(raw / "nturgb+d_skeletons" / f"{clip}.skeleton", frames)
    return frames


def scene(frame: tuple[Body, ...], zoom: int = 1, noise_mm: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Return uint16 depth [H, W] of figures between wall and floor, and the bool [H, W] of their pixels."""
    width, height = DEPTH_SIZE[0] * zoom, DEPTH_SIZE[1] * zoom
    down = (np.arange(height) - 53 * zoom) / (FOCAL_PX * zoom)
    with np.errstate(divide="ignore"):
        floor_mm = np.where(down > 0, 1000 * -FLOOR_M / down, np.inf)
    depth = np.minimum(WALL_MM, floor_mm)[:, None].repeat(width, axis=1)
    truth = np.zeros((height, width), np.uint8)
    for body in frame:
        draw(truth, body, body.depth_xy * zoom, 255, zoom)
    depth[truth > 0] = BODY_MM
    noise = np.random.default_rng(0).normal(0, noise_mm, depth.shape)
    return np.clip(depth + noise, 0, 65535).astype(np.uint16), truth > 0
