"""How long it takes to read a minute of depth in each format that recordings come in, and how much memory.

Run: `python -m benchmarks.recording_formats [--seconds 60]` on Linux. 640x480 at 30 frames a second; each format is
read by a process of its own, one core, from files that were written just before: all frames, and 64 spread over all.
"""

import argparse
import itertools
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
from imagecodecs import lzfse_encode
from rich.console import Console
from rich.table import Table
from scipy.io import savemat

from benchmarks.support.azure_kinect import calibration, write_azure_kinect
from benchmarks.support.ros_bags import image, write_bag
from rgbd.recording.formats import open_stream
from rgbd.recording.stills.images import write_image
from rgbd.recording.streams import StreamReader, frame_of
from rgbd.recording.videos.video import write_video
from rgbd.types import Depth, Frame

_FPS, _HEIGHT, _WIDTH = 30, 480, 640
_NUM_SPREAD = 64

Frames = Callable[[], Iterator[Depth]]


def scene(num_frames: int) -> Iterator[Depth]:
    """Yield a slanted wall with a sensor's noise, and something that goes by in front of it."""
    wall = np.linspace(2000, 4000, _WIDTH)[None].repeat(_HEIGHT, axis=0)
    chance = np.random.default_rng(0)
    noise = [chance.normal(0, 4, (_HEIGHT, _WIDTH)) for _ in range(7)]
    for index in range(num_frames):
        frame = wall + noise[index % 7]
        left = index * 3 % (_WIDTH - 100)
        frame[100:400, left : left + 100] = 1500 + noise[index % 5][100:400, :100]
        yield frame.astype(np.uint16)


def _images(suffix: str) -> Callable[[Path, Frames], Path]:
    def write(path: Path, frames: Frames) -> Path:
        path.mkdir()
        for index, frame in enumerate(frames()):
            name = path / f"{index:05d}{suffix}"
            if suffix == ".exr":
                header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
                OpenEXR.File(header, {"Z": frame / np.float32(1000)}).write(str(name))
            elif suffix == ".png":
                write_image(name, frame)
            else:
                cv2.imwrite(str(name), frame)
        return path

    return write


def _zip(path: Path, frames: Frames) -> Path:
    folder = _images(".png")(path.with_suffix(".frames"), frames)
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path.with_suffix(".zip")


def _array(suffix: str, *, is_metres: bool = False) -> Callable[[Path, Frames], Path]:
    def write(path: Path, frames: Frames) -> Path:
        array = np.stack([frame / np.float32(1000) if is_metres else frame for frame in frames()])
        path = path.with_suffix(suffix)
        if suffix == ".mat":
            savemat(path, {"depth": np.moveaxis(array, 0, -1)}, do_compression=True)
        elif suffix == ".npz":
            np.savez_compressed(path, array)
        elif suffix == ".tif":
            cv2.imwritemulti(str(path), list(array))
        else:
            np.save(path, array)
        return path

    return write


def _record3d(path: Path, frames: Frames) -> Path:
    metadata = {"w": _WIDTH, "h": _HEIGHT, "dw": _WIDTH, "dh": _HEIGHT, "fps": _FPS}
    with zipfile.ZipFile(path.with_suffix(".r3d"), "w") as archive:
        archive.writestr("metadata", json.dumps(metadata))
        for index, frame in enumerate(frames()):
            archive.writestr(f"rgbd/{index}.depth", lzfse_encode((frame / np.float32(1000)).tobytes()))
    return path.with_suffix(".r3d")


def _stray_scanner(path: Path, frames: Frames) -> Path:
    """Write a video of grey beside depth; what is read is depth."""
    _images(".png")(path.with_suffix(".frames"), frames)
    files = sorted(path.with_suffix(".frames").iterdir())
    grey = np.full((_HEIGHT, _WIDTH, 3), 90, np.uint8)
    write_video(path.with_suffix(".mp4"), (grey for _ in files), fps=_FPS)
    with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path.with_suffix(".mp4"), "scan/rgb.mp4")
        for file in files:
            archive.write(file, f"scan/depth/{file.name}")
    return path.with_suffix(".zip")


def _hue_video(path: Path, frames: Frames) -> Path:
    def beside_grey() -> Iterator[Frame]:
        for frame in frames():
            hue = np.stack([frame * np.float32(360 / 5000), *np.ones((2, *frame.shape), np.float32)], axis=-1)
            colors = np.rint(255 * cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)).astype(np.uint8)
            yield np.hstack([colors, np.full_like(colors, 90)])

    path = path.with_suffix(".mp4")
    write_video(path, beside_grey(), fps=_FPS)
    text = json.dumps({"intrinsicMatrix": [500, 0, 0, 0, 500, 0, 320, 240, 1], "rangeOfEncodedDepth": [0, 5]}).encode()
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 8 + len(text), b"udta") + text)
    return path


def _bag(container: str) -> Callable[[Path, Frames], Path]:
    def write(path: Path, frames: Frames) -> Path:
        path.mkdir()
        times = (10**9 + index * 10**9 // _FPS for index in itertools.count())
        return write_bag(
            path, container, {"/depth/image": [image("16UC1", *said) for said in zip(frames(), times, strict=False)]}
        )

    return write


def _video(path: Path, frames: Frames) -> Path:
    write_video(path.with_suffix(".mkv"), frames())
    return path.with_suffix(".mkv")


def _azure_kinect(path: Path, frames: Frames) -> Path:
    write_azure_kinect(path.with_suffix(".mkv"), {"DEPTH": list(frames())}, calibration(), fps=_FPS)
    return path.with_suffix(".mkv")


FORMATS: dict[str, Callable[[Path, Frames], Path]] = {
    "mkv, FFV1": _video,
    "mkv of an Azure Kinect": _azure_kinect,
    "folder of PNG": _images(".png"),
    "zip of PNG": _zip,
    "folder of TIFF": _images(".tif"),
    "folder of PGM": _images(".pgm"),
    "folder of EXR": _images(".exr"),
    "TIFF of pages": _array(".tif"),
    ".npy": _array(".npy"),
    ".npy, metres": _array(".npy", is_metres=True),
    ".npz": _array(".npz"),
    "MATLAB .mat": _array(".mat"),
    "ROS .bag": _bag("bag"),
    "ROS .mcap, zstd": _bag("mcap zstd"),
    "Record3D .r3d": _record3d,
    "Record3D, hue in mp4": _hue_video,
    "zip of Stray Scanner": _stray_scanner,
}


def read(path: Path) -> tuple[float, float, int]:
    """Return the seconds of reading all frames, and a few, and the most bytes that were in memory of its own."""
    stream = open_stream(path, "depth")
    before = _own_bytes()
    spread = np.unique(np.linspace(0, stream.num_frames - 1, _NUM_SPREAD).astype(int)).tolist()
    return _seconds(stream, None), _seconds(stream, spread), max(0, _own_bytes() - before)


def _seconds(stream: StreamReader, indices: list[int] | None) -> float:
    start = time.perf_counter()
    for picture in stream.read(indices):
        frame_of(picture)
    return time.perf_counter() - start


def _own_bytes() -> int:
    """Return the most that this process has had in memory; `getrusage` would count its parent's, too."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) << 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="of the recording (default: %(default)s)")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        cv2.setNumThreads(1)
        print(*read(options.read))
        return
    table = Table("format", "MB", "all frames, s", f"{_NUM_SPREAD} frames, s", "memory, MB")
    for name, write in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = write(Path(folder) / "clip", lambda: scene(options.seconds * _FPS))
            files = path.iterdir() if path.is_dir() else [path]
            num_bytes = sum(file.stat().st_size for file in files)
            command = [sys.executable, "-m", "benchmarks.recording_formats", "--read", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, spread_seconds, own_bytes = map(float, done.stdout.split())
        row = f"{num_bytes / 1e6:.0f}", f"{seconds:.1f}", f"{spread_seconds:.2f}", f"{own_bytes / 1e6:.0f}"
        table.add_row(name, *row)
    Console().print(table)


if __name__ == "__main__":
    main()
