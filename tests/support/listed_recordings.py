"""Small raw recordings as NvGesture, IsoGD, THU-READ and Jester are published: a frame tells which one it is."""

from pathlib import Path

import numpy as np

from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video

_SIZE = (32, 24)  # width, height


def _video(path: Path, *, first: int, num_frames: int, step: int = 2, size: tuple[int, int] = _SIZE) -> None:
    """Write grey frames of brightness first, first + step, ...: a frame tells which one it is."""
    frames = [np.full((size[1], size[0], 3), first + step * index, np.uint8) for index in range(num_frames)]
    write_video(path, frames)


def make_nvgesture(raw: Path) -> None:
    """Write two gestures to train on and one to validate."""
    lines = {"train": [], "test": []}
    for half, label, recording in (
        ("train", 1, "subject1_r0"),
        ("train", 2, "subject1_r0"),
        ("test", 2, "subject8_r1"),
    ):
        folder = f"Video_data/class_{label:02d}/{recording}"
        _video(raw / folder / "sk_color.avi", first=20, num_frames=30)
        _video(raw / folder / "sk_depth.avi", first=30, num_frames=30)
        lines[half].append(
            f"path:./{folder} duo_left:duo_left:3:9 depth:sk_depth:12:20 color:sk_color:10:18 label:{label} \n"
        )
    for half, text in lines.items():
        (raw / f"nvgesture_{half}_correct_cvpr2016_v2.lst").write_text("".join(text))


def make_isogd(raw: Path) -> None:
    """Write four pairs of videos and their lists."""
    for split, number, label in (("train", 1, 84), ("train", 2, 1), ("valid", 1, 249), ("test", 1, 3)):
        folder = raw / "IsoGD_phase_1" / split / "001"
        _video(folder / f"M_{number:05d}.avi", first=30, num_frames=6, size=(640, 480))
        _video(folder / f"K_{number:05d}.avi", first=40, num_frames=5, size=(640, 480))
        with (raw / f"{split}_list.txt").open("a") as file:
            file.write(f"{split}/001/M_{number:05d}.avi {split}/001/K_{number:05d}.avi {label}\n")


def make_thu_read(raw: Path) -> None:
    """Write two recordings, of which depth is images."""
    for name in ("wear_watch_cgy_2", "stir_gs_1"):
        _video(raw / "RGB" / f"RGB_{name}.avi", first=30, num_frames=5)
        for index in range(5):
            path = raw / "Depth" / f"D_{name}" / f"{index:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, np.full((24, 32), 1000 + index, np.uint16))


def make_jester(raw: Path) -> None:
    """Write two gestures as images."""
    for number, half, name in ((7, "train", "Thumb Up"), (8, "validation", "Stop Sign")):
        for frame in range(1, 5):
            path = raw / "20bn-jester-v1" / str(number) / f"{frame:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, np.full((25, 44, 3), 20 * frame, np.uint8))  # an odd size, as many of them have
        (raw / f"jester-v1-{half}.csv").write_text(f"{number};{name}\n")
