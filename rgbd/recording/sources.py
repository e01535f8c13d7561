"""The streams of a recording, wherever they lie, read as they are needed and never held whole."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from numpy.typing import NDArray

from rgbd.errors import DatasetError
from rgbd.recording.images import read_image
from rgbd.recording.video import decode_video, read_video, to_frame, video_tracks
from rgbd.types import Depth, Frame

Picture = av.VideoFrame | NDArray[np.uint8]
"""A frame of a video as it was stored, or uint8 RGB [H, W, 3]; see `rgbd.clip.crop`."""


class ColorFrames(Protocol):
    """The colour frames of one recording."""

    name: str
    size: tuple[int, int]
    """Width, height."""

    def __len__(self) -> int:
        """Return the number of frames, which a broken video may not keep."""

    def __iter__(self) -> Iterator[Picture]:
        """Yield all frames, in order. Raises `UserError` where one cannot be decoded."""


class ColorVideo:
    """The first track of a video file, or its frames from `start` to before `stop`."""

    def __init__(self, path: Path, start: int = 0, stop: int | None = None) -> None:
        tracks = video_tracks(path)
        length = tracks[0].num_packets if tracks else 0
        if length <= start:
            raise DatasetError(f"{path}: has {length} frames, at least {start + 1} were expected; copy it again")
        self.name, self.size = str(path), (tracks[0].width, tracks[0].height)
        self._path, self._start, self._stop = path, start, stop
        self._length = min(length, stop or length) - start
        self._is_turned = tracks[0].rotation_deg != 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Picture]:
        # One thread: the worker processes already fill the processor.
        pictures = islice(decode_video(self._path, num_threads=1), self._start, self._stop)
        return map(_turned, pictures) if self._is_turned else pictures


def _turned(picture: av.VideoFrame) -> NDArray[np.uint8]:
    return np.ascontiguousarray(to_frame(picture), np.uint8)


class ColorFolder:
    """Image files, one a frame, in the files' order."""

    def __init__(self, paths: list[Path]) -> None:
        if not paths:
            raise ValueError("a recording has at least one frame")
        self._paths = paths
        self.name = str(paths[0].parent)
        height, width = read_image(paths[0]).shape[:2]
        self.size = (width, height)

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Picture]:
        for path in self._paths:
            image = read_image(path)
            if image.ndim != 3 or image.shape[:2] != self.size[::-1]:
                raise DatasetError(f"{path}: is not a colour image of {self.size[0]}x{self.size[1]} as those before it")
            yield image.astype(np.uint8, copy=False)


class DepthFrames(Protocol):
    """The depth frames of one recording: as often as wanted, but never all of them in memory."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def __iter__(self) -> Iterator[Depth]:
        """Yield all frames, in order. Raises `UserError` at the first that is not 16-bit depth of the first's size."""

    def spread(self, count: int) -> list[Depth]:
        """Return at most `count` frames, spread evenly over the recording."""


def _spread_indices(length: int, count: int) -> list[int]:
    return sorted({int(index) for index in np.linspace(0, length - 1, min(count, length))})


class DepthFolder:
    """PNG files, one a frame, in the files' order; values are `scale_mm` millimetres each."""

    def __init__(self, paths: list[Path], scale_mm: float = 1.0) -> None:
        if not paths:
            raise ValueError("a recording has at least one frame")
        self._paths, self._scale_mm = paths, scale_mm

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Depth]:
        size = None
        for path in self._paths:
            frame = _in_millimetres(read_image(path), self._scale_mm, str(path))
            if size is not None and frame.shape != size:
                raise DatasetError(
                    f"{path}: is {_size(frame)}, the frames before are {size[1]}x{size[0]}; copy it again"
                )
            size = frame.shape
            yield frame

    def spread(self, count: int) -> list[Depth]:
        """Return at most `count` frames, spread evenly over the recording."""
        chosen = [self._paths[index] for index in _spread_indices(len(self), count)]
        return list(DepthFolder(chosen, self._scale_mm))


class DepthVideo:
    """A video of 16-bit grey frames, such as FFV1's gray16le; values are `scale_mm` millimetres each."""

    def __init__(self, path: Path, scale_mm: float = 1.0) -> None:
        self._path, self._scale_mm = path, scale_mm
        tracks = video_tracks(path)
        if not tracks:
            raise DatasetError(f"{path}: has no video track")
        self._length = tracks[0].num_packets

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Depth]:
        for frame in read_video(self._path):
            yield _in_millimetres(frame, self._scale_mm, str(self._path))

    def spread(self, count: int) -> list[Depth]:
        """Return at most `count` frames, spread evenly over the recording."""
        chosen = set(_spread_indices(len(self), count))
        return [frame for index, frame in enumerate(self) if index in chosen]


def _in_millimetres(frame: Frame, scale_mm: float, name: str) -> Depth:
    if frame.ndim != 2:
        raise DatasetError(
            f"{name}: expected 16-bit depth of one channel, found an 8-bit image; export depth as 16-bit"
        )
    if scale_mm == 1:
        return frame.astype(np.uint16, copy=False)
    return np.asarray(np.clip(np.rint(frame * np.float32(scale_mm)), 0, 65535), np.uint16)


def _size(frame: Depth) -> str:
    return f"{frame.shape[1]}x{frame.shape[0]}"


def numbered_depth(folder: Path, prefix: str) -> DepthFolder:
    """Return the frames `prefix`-00000001.png, -00000002.png, ... of a folder.

    Raises `DatasetError` when there is none, or a number is missing: frames after the gap would be out of step.
    """
    paths = sorted(folder.glob(f"{prefix}-*.png"))
    if not paths:
        raise DatasetError(f"{folder}: holds no {prefix}-%08d.png; copy the depth frames of this clip again")
    for number, path in enumerate(paths, start=1):
        expected = f"{prefix}-{number:08d}.png"
        if path.name != expected:
            raise DatasetError(f"{folder / expected}: is missing, the next file is {path.name}; copy the frames again")
    return DepthFolder(paths)


def image_files(folder: Path) -> list[Path]:
    """Return the JPEG and PNG files of a folder in the order of their names; raises `DatasetError` for none."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        raise DatasetError(f"{folder}: holds no JPEG or PNG files; copy the frames again")
    return paths


def open_color(path: Path, start: int = 0, stop: int | None = None) -> ColorFrames:
    """Return the colour frames of a video file, or of a folder of images; of a video, those from `start` to `stop`."""
    return ColorFolder(image_files(path)) if path.is_dir() else ColorVideo(path, start, stop)


def open_depth(path: Path, scale_mm: float = 1.0) -> DepthFrames:
    """Return the depth frames of a video file, or of a folder of images; values are `scale_mm` millimetres each."""
    return DepthFolder(image_files(path), scale_mm) if path.is_dir() else DepthVideo(path, scale_mm)
