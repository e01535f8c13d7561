"""A small recording of somebody who is not there: a red square that moves before a wall, in colour and in depth."""

from pathlib import Path

import numpy as np

from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame

SIZE = (96, 128)  # height, width
NEAR_MM, WALL_MM = 1200, 3800


def color_frames(num_frames: int) -> list[Frame]:
    """Return uint8 [96, 128, 3] frames, nearly all red."""
    frames: list[Frame] = []
    for index in range(num_frames):
        frame = np.full((*SIZE, 3), (150, 20, 20), np.uint8)
        frame[_square(index)] = (250, 60, 60)
        frames.append(frame)
    return frames


def depth_frames(num_frames: int) -> list[Frame]:
    """Return uint16 [96, 128] frames in millimetres."""
    frames: list[Frame] = []
    for index in range(num_frames):
        frame = np.full(SIZE, WALL_MM, np.uint16)
        frame[_square(index)] = NEAR_MM
        frames.append(frame)
    return frames


def _square(index: int) -> tuple[slice, slice]:
    return slice(32, 64), slice(8 + 6 * index, 40 + 6 * index)


def write_recording(folder: Path, num_frames: int = 12) -> tuple[Path, Path]:
    """Write an mp4 and an FFV1 mkv into `folder` and return their paths."""
    rgb, depth = folder / "wave_rgb.mp4", folder / "wave_depth.mkv"
    write_video(rgb, color_frames(num_frames))
    write_video(depth, depth_frames(num_frames))
    return rgb, depth


def write_frames(folder: Path, frames: list[Frame], suffix: str) -> Path:
    """Write one image for each frame, named frame_1, frame_2, ... without leading zeros, and return the folder."""
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames, start=1):
        write_image(folder / f"frame_{index}{suffix}", frame)
    return folder
