"""The same short clip in every kind of container."""

import io
import zipfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame

NUM_FRAMES = 12
_CODECS = {3: ("ffv1", "bgr0", "rgb24"), 2: ("ffv1", "gray16le", "gray16le")}


def rgb_frames(num_frames: int = NUM_FRAMES) -> list[Frame]:
    """Return smooth pictures, 64x48, that lossy codecs hardly change: ever redder."""
    return [np.full((48, 64, 3), (100 + 10 * i, 60, 40), np.uint8) for i in range(num_frames)]


def depth_frames(num_frames: int = NUM_FRAMES) -> list[Frame]:
    """Return a slope, 64x48, from 1 m to nearly 4 m, that comes nearer."""
    slope = np.linspace(1500, 3900, 64, dtype=np.uint16)[None].repeat(48, axis=0)
    return [slope - np.uint16(40 * i) for i in range(num_frames)]


def video(folder: Path, frames: Sequence[Frame], suffix: str) -> bytes:
    path = folder / f"clip{suffix}"
    write_video(path, frames)
    return path.read_bytes()


def timed_video(path: Path, *streams: Sequence[tuple[float, Frame]]) -> bytes:
    """Return a Matroska file with a track for each stream of frames and their times in seconds."""
    with av.open(str(path), "w") as container:
        tracks = []
        for stream in streams:
            codec, pixels, _ = _CODECS[stream[0][1].ndim]
            track = container.add_stream(codec, rate=1000)
            track.height, track.width = stream[0][1].shape[:2]
            track.pix_fmt = pixels
            track.time_base = track.codec_context.time_base = Fraction(1, 1000)
            tracks.append(track)
        for track, stream in zip(tracks, streams, strict=True):
            for time_s, frame in stream:
                picture = av.VideoFrame.from_ndarray(frame, format=_CODECS[frame.ndim][2])
                picture.pts, picture.time_base = round(time_s * 1000), Fraction(1, 1000)
                container.mux(track.encode(picture))
            container.mux(track.encode())
    return path.read_bytes()


def at_rate(frames: Sequence[Frame], fps: float, start_s: float = 0.0) -> list[tuple[float, Frame]]:
    return [(start_s + index / fps, frame) for index, frame in enumerate(frames)]


def zipped(folder: Path, frames: Sequence[Frame], suffix: str = ".png", name: str = "frames/{}") -> bytes:
    """Return a zip of images, stored in a shuffled order and numbered without leading zeros."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__MACOSX/frames/._1.png", b"left behind by an archiver")
        for index in np.random.default_rng(0).permutation(len(frames)):
            path = folder / f"one{suffix}"
            write_image(path, frames[index])
            archive.writestr(name.format(f"{index}{suffix}"), path.read_bytes())
    return buffer.getvalue()


def zip_folder(folder: Path) -> bytes:
    """Return a zip of the images in a folder."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
    return buffer.getvalue()


def npz(frames: Sequence[Frame]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, np.stack(frames))
    return buffer.getvalue()


FILES = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
"""A request of both streams, as `post` takes it."""
