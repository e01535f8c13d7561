"""One short valid clip in every container that the service takes."""

import io
import json
import struct
import zipfile
from pathlib import Path

import av
import cv2
import numpy as np
import OpenEXR
from imagecodecs import lzfse_encode

from benchmarks.support.azure_kinect import calibration, write_azure_kinect
from benchmarks.support.ros_bags import camera_info, image, write_bag
from rgbd.recording.formats import open_streams
from rgbd.recording.matroska import write_matroska
from rgbd.recording.stills.images import encode_image
from rgbd.recording.tracks import choose_tracks
from rgbd.types import Frame

Files = dict[str, bytes]
"""The files of one request by the name of their stream."""

_NUM_FRAMES, _SIZE = 12, (48, 64)  # height, width
_RGB_VIDEOS = {".mp4": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9", ".avi": "mpeg4"}


def samples(folder: Path) -> dict[str, Files]:
    """Return a request of both streams for each kind of container; `folder` is for what is made on the way."""
    rgb, depth = _colours(), _distances()
    colour, distance = _npz(rgb), _npz(depth)
    colours = {f"rgb {suffix}": _video(folder, suffix, (codec, rgb)) for suffix, codec in _RGB_VIDEOS.items()}
    colours |= {"rgb jpeg": _zip(rgb, ".jpg"), "rgb png": _zip(rgb, ".png"), "rgb npz": colour}
    distances = {
        "depth ffv1": _video(folder, ".mkv", ("ffv1", depth)),
        "depth png": _zip(depth, ".png"),
        "depth npz": distance,
        "depth npy metres": _npy(depth),
        "depth tiff": _zip(depth, ".tiff"),
        "depth pgm": _zip(depth, ".pgm"),
        "depth exr": _zipped([_exr(folder / "one.exr", frame) for frame in depth], ".exr"),
    }
    both = _video(folder, ".mkv", ("ffv1", rgb), ("ffv1", depth))
    return (
        {name: {"rgb": file, "depth": distance} for name, file in colours.items()}
        | {name: {"rgb": colour, "depth": file} for name, file in distances.items()}
        | {"both .mkv": {"rgb": both}, "both azure kinect": {"rgb": _azure_kinect(folder, rgb, depth)}}
        | {"both kept": {"rgb": _kept(folder, rgb, depth)}}
        | {"both .r3d": {"rgb": _record3d(rgb, depth)}}
        | {"both of Stray Scanner": {"rgb": _stray_scanner(folder, rgb, depth)}}
        | {"both as hue": {"rgb": _hue_video(folder, rgb, depth)}}
        | {f"both .{kind}": {"rgb": _bag(folder, kind, rgb, depth)} for kind in ("bag lz4", "mcap zstd", "db3")}
    )


def _colours() -> list[Frame]:
    """Return ever redder pictures, with noise that moves: every codec has something to say about each of them."""
    noise = np.random.default_rng(0).integers(0, 32, (*_SIZE, 3), np.uint8)
    reds = (np.full((*_SIZE, 3), (100 + 10 * index, 60, 40), np.uint8) for index in range(_NUM_FRAMES))
    return [red + np.roll(noise, index, axis=1) for index, red in enumerate(reds)]


def _distances() -> list[Frame]:
    """Return a slope from 1 m to nearly 4 m that comes nearer."""
    slope = np.broadcast_to(np.linspace(1500, 3900, _SIZE[1], dtype=np.uint16), _SIZE)
    return [slope - np.uint16(40 * index) for index in range(_NUM_FRAMES)]


def _npz(frames: list[Frame]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, np.stack(frames))
    return buffer.getvalue()


def _npy(frames: list[Frame]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.stack(frames) / np.float32(1000))
    return buffer.getvalue()


def _exr(path: Path, frame: Frame) -> bytes:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": frame / np.float32(1000)}).write(str(path))
    return path.read_bytes()


def _zip(frames: list[Frame], suffix: str) -> bytes:
    return _zipped([encode_image(suffix, frame) for frame in frames], suffix)


def _zipped(images: list[bytes], suffix: str) -> bytes:
    """Return a zip of images in a shuffled order, and of what some archivers leave behind."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__MACOSX/frames/._1.png", b"left behind by an archiver")
        for index in np.random.default_rng(0).permutation(len(images)):
            archive.writestr(f"frames/{index}{suffix}", images[index])
    return buffer.getvalue()


def _azure_kinect(folder: Path, rgb: list[Frame], depth: list[Frame]) -> bytes:
    path = folder / "azure_kinect.mkv"
    write_azure_kinect(path, {"COLOR": rgb, "DEPTH": depth, "IR": depth}, calibration())
    return path.read_bytes()


def _kept(folder: Path, rgb: list[Frame], depth: list[Frame]) -> bytes:
    """Return the file that `python -m rgbd convert` writes."""
    path = folder / "azure_kinect.mkv"
    write_azure_kinect(path, {"COLOR": rgb, "DEPTH": depth}, calibration())
    write_matroska(folder / "kept.mkv", choose_tracks(open_streams(path), ["rgb", "depth"], {}), {}, lambda _: None)
    return (folder / "kept.mkv").read_bytes()


def _record3d(rgb: list[Frame], depth: list[Frame]) -> bytes:
    height, width = _SIZE
    lens = [50.0, 0, 0, 0, 50.0, 0, 32.0, 24.0, 1]
    metadata = {"w": width, "h": height, "dw": width, "dh": height, "fps": 30, "K": lens}
    metadata["frameTimestamps"] = [index / 30 for index in range(_NUM_FRAMES)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata", json.dumps(metadata))
        for index, (color, distances) in enumerate(zip(rgb, depth, strict=True)):
            archive.writestr(f"rgbd/{index}.jpg", encode_image(".jpg", color))
            archive.writestr(f"rgbd/{index}.depth", lzfse_encode((distances / np.float32(1000)).tobytes()))
    return buffer.getvalue()


def _stray_scanner(folder: Path, rgb: list[Frame], depth: list[Frame]) -> bytes:
    rows = [f"{100 + index / 30}, {index:06d}, 0, 0, 0, 0, 0, 0, 1" for index in range(_NUM_FRAMES)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("scan/rgb.mp4", _video(folder, ".mp4", ("libx264", rgb)))
        archive.writestr("scan/odometry.csv", "\n".join(["timestamp, frame, x, y, z, qx, qy, qz, qw", *rows]))
        archive.writestr("scan/camera_matrix.csv", "50, 0, 32\n0, 50, 24\n0, 0, 1")
        for index, frame in enumerate(depth):
            archive.writestr(f"scan/depth/{index:06d}.png", encode_image(".png", frame))
    return buffer.getvalue()


def _hue_video(folder: Path, rgb: list[Frame], depth: list[Frame]) -> bytes:
    """Return an RGBD video of Record3D: depth up to 5 m as hue, beside colour."""
    frames = []
    for color, distances in zip(rgb, depth, strict=True):
        hue = np.stack([distances * np.float32(360 / 5000), *np.ones((2, *_SIZE), np.float32)], axis=-1)
        frames.append(np.hstack([np.rint(255 * cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)).astype(np.uint8), color]))
    metadata = {"intrinsicMatrix": [50.0, 0, 0, 0, 50.0, 0, 32.0, 24.0, 1], "rangeOfEncodedDepth": [0, 5]}
    text = json.dumps(metadata).encode()
    return _video(folder, ".mp4", ("libx264", frames)) + struct.pack(">I4s", 8 + len(text), b"udta") + text


def _bag(folder: Path, container: str, rgb: list[Frame], depth: list[Frame]) -> bytes:
    """Return a bag of ROS with both streams, thirty frames a second."""
    times = [(30 + index) * 10**9 // 30 for index in range(_NUM_FRAMES)]
    topics = {
        "/camera/color/image_raw": [image("rgb8", frame, time) for frame, time in zip(rgb, times, strict=True)],
        "/camera/depth/image_raw": [image("16UC1", frame, time) for frame, time in zip(depth, times, strict=True)],
        "/camera/depth/camera_info": [camera_info((64, 48), (50, 0, 32, 0, 50, 24, 0, 0, 1), "plumb_bob", [0.1] * 5)],
    }
    place = folder / container.replace(" ", "_")
    place.mkdir()
    return write_bag(place, container, topics).read_bytes()


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
