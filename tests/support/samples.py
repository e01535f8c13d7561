"""One short valid clip in every container that the service takes."""

from pathlib import Path

import av
import numpy as np

from rgbd.types import Frame
from tests.support.uploads import depth_frames, npz, rgb_frames, zipped

Files = dict[str, bytes]
"""The files of one request by the name of their stream."""

_RGB_VIDEOS = {".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".avi": "mpeg4"}


def samples(folder: Path) -> dict[str, Files]:
    """Return a request of both streams for each kind of container; `folder` is for what is made on the way."""
    rgb, depth = _textured(rgb_frames()), depth_frames()
    colour, distance = npz(rgb), npz(depth)
    colours = {f"rgb {suffix}": _video(folder, suffix, (codec, rgb)) for suffix, codec in _RGB_VIDEOS.items()}
    colours |= {"rgb jpeg": zipped(folder, rgb, ".jpg"), "rgb png": zipped(folder, rgb), "rgb npz": colour}
    distances = {
        "depth ffv1": _video(folder, ".mkv", ("ffv1", depth)),
        "depth png": zipped(folder, depth),
        "depth npz": distance,
    }
    both = _video(folder, ".mkv", ("ffv1", rgb), ("ffv1", depth))
    return (
        {name: {"rgb": file, "depth": distance} for name, file in colours.items()}
        | {name: {"rgb": colour, "depth": file} for name, file in distances.items()}
        | {"both .mkv": {"rgb": both}}
    )


def _textured(frames: list[Frame]) -> list[Frame]:
    """Return the frames with noise, so that every codec has something to say about each of them."""
    noise = np.random.default_rng(0).integers(0, 32, frames[0].shape, np.uint8)
    return [frame + np.roll(noise, index, axis=1) for index, frame in enumerate(frames)]


def _video(folder: Path, suffix: str, *tracks: tuple[str, list[Frame]]) -> bytes:
    """Return a video of tracks, each a codec and its frames."""
    path = folder / f"clip{suffix}"
    with av.open(str(path), "w") as container:
        streams = []
        for codec, frames in tracks:
            stream = container.add_stream(codec, rate=30)
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = ("bgr0" if codec == "ffv1" else "yuv420p") if frames[0].ndim == 3 else "gray16le"
            streams.append(stream)
        for pictures in zip(*(frames for _, frames in tracks), strict=True):
            for stream, picture in zip(streams, pictures, strict=True):
                given = "rgb24" if picture.ndim == 3 else "gray16le"
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format=given)))
        for stream in streams:
            container.mux(stream.encode())
    return path.read_bytes()
