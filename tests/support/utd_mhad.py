"""Files as UTD-MHAD publishes them: depth and skeletons as MATLAB arrays, colour as video."""

from pathlib import Path

import numpy as np
from scipy.io import savemat

from rgbd.camera.sensors import find_sensor
from rgbd.recording.videos.video import write_video

# Metres right of and above the hips: hips, spine, shoulders, head, left arm, right arm, left leg, right leg.
_POSE = [(0, 0), (0, 0.1), (0, 0.45), (0, 0.65)]
_POSE += [(-0.2, 0.4), (-0.25, 0.15), (-0.25, -0.1), (-0.25, -0.15), (0.2, 0.4), (0.25, 0.15), (0.25, -0.1)]
_POSE += [(0.25, -0.15), (-0.1, -0.1), (-0.1, -0.5), (-0.1, -0.9), (-0.1, -0.95)]
_POSE += [(0.1, -0.1), (0.1, -0.5), (0.1, -0.9), (0.1, -0.95)]
NUM_FRAMES = 5


def make_clip(raw: Path, clip: str, *, color: bool = False, skeleton: bool = True) -> None:
    """Write one clip of a figure 2.5 m away that walks to the right, in its own files."""
    for folder in ("Depth", "Skeleton", "RGB"):
        (raw / folder).mkdir(parents=True, exist_ok=True)
    depth, joints = np.zeros((240, 320, NUM_FRAMES), np.uint16), np.zeros((20, 3, NUM_FRAMES))
    for index in range(NUM_FRAMES):
        joints_m = np.column_stack([np.add(_POSE, (0.1 * index, 0)), np.full(20, 2.5)])
        for x, y in find_sensor("kinect_v1").camera((320, 240)).project(joints_m.astype(np.float32)).astype(int):
            depth[max(0, y - 12) : y + 12, x - 12 : x + 12, index] = 2400
        joints[:, :, index] = joints_m[[3, 2, 1, 0, *range(4, 20)]]
    savemat(raw / "Depth" / f"{clip}_depth.mat", {"d_depth": depth}, do_compression=True)
    if skeleton:
        savemat(raw / "Skeleton" / f"{clip}_skeleton.mat", {"d_skel": joints})
    if color:
        frames = [np.full((480, 640, 3), 90, np.uint8)] * NUM_FRAMES
        write_video(raw / "RGB" / f"{clip}_color.avi", frames)
