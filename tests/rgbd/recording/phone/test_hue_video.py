"""RGBD videos of Record3D: depth comes back from hue as far as the video has kept it, and a note says so."""

import colorsys
import json
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from rgbd.camera.calibration import IDENTITY, Intrinsics
from rgbd.errors import MediaError, TooLargeError, UserError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import frame_of
from rgbd.types import Frame
from tests.support.videos import encode

NUM_FRAMES = 8
METADATA = {"intrinsicMatrix": [90.0, 0, 0, 0, 91.0, 0, 31.5, 23.5, 1], "rangeOfEncodedDepth": [0, 3]}


def distances(index: int) -> np.ndarray[Any, Any]:
    """Return a slope in millimetres, [48, 64], of which a corner was not measured."""
    slope = np.linspace(400, 2500, 64).round()[None].repeat(48, axis=0) + 20 * index
    slope[:16, :16] = 0
    return slope


def frame(index: int, far_mm: float = 3000) -> Frame:
    """Return depth as hue beside a picture; red is what was not measured."""
    depth = distances(index)
    hues = np.where(depth > 0, depth / far_mm, 1.0)
    rows = [[colorsys.hsv_to_rgb(hue, 1.0, 1.0) for hue in row] for row in hues]
    picture = np.full((48, 64, 3), (40 + 10 * index, 120, 60), np.uint8)
    return np.hstack([np.rint(np.array(rows) * 255).astype(np.uint8), picture])


def video(path: Path, metadata: object = METADATA, *, is_exact: bool = True, far_mm: float = 3000) -> Path:
    frames = [frame(index, far_mm) for index in range(NUM_FRAMES)]
    codec, pixels, options = ("libx264rgb", "rgb24", {"qp": "0"}) if is_exact else ("libx264", "yuv420p", {"crf": "18"})
    encode(path, codec, pixels, frames, **options)
    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 9 + len(text), b"udta") + text + b"\0")
    return path


def test_both_halves_are_streams(tmp_path: Path) -> None:
    color, depth = open_streams(video(tmp_path / "x.mp4"))
    assert (color.is_depth, color.size, depth.is_depth, depth.size) == (False, (64, 48), True, (64, 48))
    assert (color.num_frames, depth.num_frames, depth.unit_mm) == (NUM_FRAMES, NUM_FRAMES, 1.0)
    assert color.times_s == depth.times_s == pytest.approx([index / 30 for index in range(NUM_FRAMES)])
    for index, (picture, measured) in enumerate(zip(color.read(), depth.read(), strict=True)):
        assert frame_of(picture)[24, 32].tolist() == [40 + 10 * index, 120, 60]
        np.testing.assert_allclose(frame_of(measured).astype(float), distances(index), atol=2)
    (chosen,) = depth.read([5])
    np.testing.assert_allclose(frame_of(chosen).astype(float), distances(5), atol=2)
    assert not color.damage and not color.notes
    assert "depth was stored as hue from 0 to 3 m" in depth.notes[0]


def test_both_are_seen_through_one_lens(tmp_path: Path) -> None:
    color, depth = open_streams(video(tmp_path / "x.mp4"))
    assert color.camera.intrinsics == depth.camera.intrinsics == Intrinsics((64, 48), 90.0, 91.0, 31.5, 23.5)
    assert depth.camera.pose_to(color.camera) == IDENTITY


def test_depth_survives_the_codec_of_phones_within_centimetres(tmp_path: Path) -> None:
    _, depth = open_streams(video(tmp_path / "x.mp4", is_exact=False))
    for index, picture in enumerate(depth.read()):
        measured, true = frame_of(picture).astype(float), distances(index)
        assert np.median(np.abs(measured - true)[true > 0]) < 25
        assert (measured[:12, :12] == 0).all()


@pytest.mark.parametrize(("said", "far_m"), [({}, 3), ({"rangeOfEncodedDepth": [0, 5.5]}, 5.5)])
def test_the_range_is_as_the_video_says(tmp_path: Path, said: dict[str, Any], far_m: float) -> None:
    metadata = {"intrinsicMatrix": METADATA["intrinsicMatrix"]} | said
    _, depth = open_streams(video(tmp_path / "x.mp4", metadata, far_mm=1000 * far_m))
    np.testing.assert_allclose(frame_of(next(iter(depth.read([0])))).astype(float), distances(0), atol=3)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (b'{"intrinsicMatrix": [1, 2', "its metadata are damaged"),
        ({"intrinsicMatrix": [1, 2]}, "intrinsicMatrix: List should have at least 9 items"),
        (METADATA | {"rangeOfEncodedDepth": [0, 1e9]}, r"rangeOfEncodedDepth\.1: Input should be less than"),
        (METADATA | {"rangeOfEncodedDepth": [3, 0]}, "depth from 3 to 0 m"),
        (b'{"intrinsicMatrix": ' + b"[" * 30_000, "its metadata are damaged"),
    ],
)
def test_metadata_that_are_damaged_are_refused(tmp_path: Path, metadata: object, message: str) -> None:
    with pytest.raises(MediaError, match=message):
        open_streams(video(tmp_path / "x.mp4", metadata))


def test_another_video_is_one_stream(tmp_path: Path) -> None:
    (stream,) = open_streams(video(tmp_path / "x.mp4", {"other": 1}))
    assert stream.size == (128, 48)


def test_limits_hold(tmp_path: Path) -> None:
    _, depth = open_streams(video(tmp_path / "x.mp4"), Limits(max_frames=7))
    with pytest.raises(TooLargeError, match="more than 7 frames"):
        list(depth.read())
    _, depth = open_streams(video(tmp_path / "x.mp4"), Limits(max_pixels=128 * 47))
    with pytest.raises(TooLargeError, match="128x48"):
        list(depth.read())


def test_any_damage_is_refused_or_leaves_frames(tmp_path: Path) -> None:
    whole, chance = video(tmp_path / "x.mp4", is_exact=False).read_bytes(), Random(0)
    path = tmp_path / "x.mp4"
    for _ in range(80):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 4, 40])):
            place = chance.randrange(len(data)) if chance.random() < 0.5 else len(data) - 1 - chance.randrange(200)
            data[place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            for stream in open_streams(path, Limits(100, 1 << 20, any_container=False, on_damage="report")):
                assert len([frame_of(picture) for picture in stream.read()]) <= NUM_FRAMES
        except UserError as error:
            assert "x.mp4" in str(error) or "frames" in str(error)
