"""The unit of depth: what no sensor measures is refused, and what is odd is said, with the unit that would fit."""

import math
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.support.depth_list import DepthList
from rgbd.errors import ConfigError, MediaError
from rgbd.recording.depth import HeldDepth, check_distance, check_unit
from rgbd.recording.formats import open_stream
from rgbd.recording.recording import Recording
from rgbd.recording.streams import StreamReader, frame_of
from tests.support.real import real_recordings
from tests.support.videos import encode


def stream_of(folder: Path, value: int, num_empty: int = 0) -> StreamReader:
    frames = np.full((num_empty + 2, 48, 64), value, np.uint16)
    frames[:num_empty] = 0
    np.savez(folder / "depth.npz", frames)
    return open_stream(folder / "depth.npz", "depth")


@pytest.mark.parametrize("unit_mm", [1.0, 0.1, 0.125, 0.25, 0.2, 6000 / 65535, 10.0, 1000.0])
def test_units_of_cameras(unit_mm: float) -> None:
    check_unit(unit_mm)


@pytest.mark.parametrize("unit_mm", [math.inf, math.nan, 1e9, 1e-9, 0.0, -1.0])
def test_units_of_no_camera(unit_mm: float) -> None:
    with pytest.raises(ConfigError, match="depth_scale_mm"):
        Recording("clip", depth_unit_mm=unit_mm)


@pytest.mark.parametrize(
    ("value", "unit_mm", "words"),
    [
        (700, 1.0, "farther than 0.7 m at 1 mm a unit; that is odd"),
        (28_000, 1.0, None),
        (28_000, 0.5, "farther than 14 m at 0.5 mm a unit; at 0.1 mm it would be 2.8 m (depth_scale_mm 0.1)"),
        (2_500, 1.0, ""),
        (2_500, 0.1, "farther than 0.25 m at 0.1 mm a unit; at 1 mm it would be 2.5 m"),
        (20, 1.0, None),
        (60_000, 1.0, None),
    ],
)
def test_distances(tmp_path: Path, value: int, unit_mm: float, words: str | None) -> None:
    stream = stream_of(tmp_path, value, num_empty=2)
    if words is None:
        with pytest.raises(
            MediaError, match=r"depth\.npz: half of its depth is farther .* sensors measure 0\.1 to 20 m"
        ):
            check_distance(stream, unit_mm)
    elif not words:
        assert check_distance(stream, unit_mm) == ()
    else:
        (odd,) = check_distance(stream, unit_mm)
        assert words in odd


def test_nothing_measured_says_nothing(tmp_path: Path) -> None:
    assert check_distance(stream_of(tmp_path, 0), 1.0) == ()


def test_real_depth_is_plausible() -> None:
    depth = open_stream(real_recordings("cameras") / "azure_kinect.mkv", "depth")
    assert check_distance(depth, 1.0) == ()
    fall = open_stream(real_recordings("ur_fall") / "depth", "depth")
    assert check_distance(fall, 6000 / 65535) == ()
    with pytest.raises(MediaError, match=r"at 0\.1 mm it would be"):
        check_distance(fall, 1.0)


@pytest.mark.parametrize("pixels", ["gray10le", "gray12le", "gray14le", "gray16le"])
def test_grey_of_any_depth_is_read_as_stored(tmp_path: Path, pixels: str) -> None:
    depth = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) % 1024
    path = tmp_path / "depth.mkv"
    with av.open(str(path), "w") as container:
        track = container.add_stream("ffv1", rate=30)
        track.width, track.height, track.pix_fmt = 64, 48, pixels
        for _ in range(3):
            container.mux(track.encode(av.VideoFrame.from_ndarray(depth, format=pixels)))
        container.mux(track.encode())
    stream = open_stream(path, "depth")
    assert stream.is_depth
    for picture in stream.read():
        np.testing.assert_array_equal(frame_of(picture), depth)


def test_depth_is_no_colour(tmp_path: Path) -> None:
    path = encode(tmp_path / "depth.mkv", "ffv1", "gray16le", [np.full((48, 64), 1000, np.uint16)] * 3)
    with pytest.raises(MediaError, match=r"depth\.mkv: holds 16-bit depth, and no colour"):
        open_stream(path, "rgb")


def test_frames_that_are_held_are_those_that_were_asked_for() -> None:
    """Also where others are asked for while some are being read, as those are that a scene is made of."""
    frames = [np.full((4, 6), number, np.uint16) for number in range(10)]
    held = HeldDepth(DepthList(frames))
    reading = held.at([1, 3, 5, 7, 9])
    assert next(reading)[0, 0] == 1
    assert [int(frame[0, 0]) for frame in held.spread(4)] == [0, 3, 6, 9]
    assert [int(frame[0, 0]) for frame in reading] == [3, 5, 7, 9]
    assert [int(frame[0, 0]) for frame in held.at(range(10))] == list(range(10))
    assert len(held) == 10 and [int(frame[0, 0]) for frame in held] == list(range(10))
