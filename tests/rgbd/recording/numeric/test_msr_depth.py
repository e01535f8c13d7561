"""Depth of MSR-Action3D: read frame by frame, and what is cut, hostile or laid out otherwise is refused in words."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgbd.errors import DamagedError, MediaError, UnknownContainerError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.numeric.msr_depth import open_msr_depth
from rgbd.recording.streams import frame_of
from tests.support.damage import check_refused_or_read, spoil
from tests.support.msr_action3d import write_depth

FRAMES = [np.arange(48, dtype=np.uint16).reshape(6, 8) + 600 + 100 * index for index in range(5)]


def test_rows_lie_one_after_the_other_without_skeletons_between_them(tmp_path: Path) -> None:
    path = tmp_path / "a01_s01_e01_sdepth.bin"
    numbers = [number for frame in FRAMES for row in frame.tolist() for number in row]
    path.write_bytes(struct.pack(f"<{3 + len(numbers)}i", 5, 8, 6, *numbers))
    (stream,) = open_streams(path)
    assert (stream.num_frames, stream.size, stream.is_depth, stream.damage) == (5, (8, 6), True, ())
    for picture, expected in zip(stream.read(), FRAMES, strict=True):
        frame = frame_of(picture)
        assert frame.dtype == np.uint16
        np.testing.assert_array_equal(frame, expected)


def test_a_few_frames_are_in_memory(tmp_path: Path) -> None:
    frame = np.full((240, 320), 640)
    (stream,) = open_streams(write_depth(tmp_path / "long.bin", [frame] * 200))
    tracemalloc.start()
    assert sum(1 for _ in stream.read()) == 200
    assert [frame_of(picture)[0, 0] for picture in stream.read([199])] == [640]
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("num_missing", [1, 8 * 6 * 4, 2 * 8 * 6 * 4 + 10])
def test_a_file_that_was_cut_tells_how_many_frames_it_holds(tmp_path: Path, num_missing: int) -> None:
    path = write_depth(tmp_path / "cut.bin", FRAMES)
    path.write_bytes(path.read_bytes()[:-num_missing])
    num_held = 5 - -(-num_missing // (8 * 6 * 4))
    with pytest.raises(DamagedError, match=f"holds {num_held} of the 5 frames that its header promises; copy it again"):
        list(open_streams(path)[0].read())
    (stream,) = open_streams(path, Limits(on_damage="skip"))
    assert stream.num_frames == len(list(stream.read())) == num_held
    assert stream.damage == (f"holds {num_held} of the 5 frames that its header promises",)


def test_a_file_without_one_whole_frame_holds_nothing(tmp_path: Path) -> None:
    path = write_depth(tmp_path / "cut.bin", FRAMES)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(MediaError, match="holds 0 of the 5 frames that its header promises; copy it again"):
        open_streams(path, Limits(on_damage="skip"))


def test_what_goes_on_is_laid_out_otherwise(tmp_path: Path) -> None:
    path = write_depth(tmp_path / "ids.bin", FRAMES)
    rows = (row.astype("<i4").tobytes() + bytes(8) for frame in FRAMES for row in frame)
    path.write_bytes(path.read_bytes()[:12] + b"".join(rows))
    with pytest.raises(MediaError, match=r"has 1212 bytes.*5 frames of 8x6 take 972.*a byte of skeleton"):
        open_streams(path)


@pytest.mark.parametrize("counts", [(0, 320, 240), (-1, 320, 240), (5, 0, 240), (5, 320, 1 << 20), (1 << 30, 8, 6)])
def test_counts_that_cannot_be_are_named(tmp_path: Path, counts: tuple[int, int, int]) -> None:
    path = tmp_path / "odd.bin"
    path.write_bytes(struct.pack("<3i", *counts) + bytes(1000))
    num_frames, width, height = counts
    with pytest.raises(MediaError, match=f"says {num_frames} frames of {width}x{height}.*copy it again"):
        open_msr_depth(path, Limits())
    with pytest.raises(UnknownContainerError):
        open_streams(path, Limits(any_container=False))


def test_a_file_that_ends_in_its_header_is_named(tmp_path: Path) -> None:
    (tmp_path / "short.bin").write_bytes(bytes(11))
    with pytest.raises(MediaError, match=r"ends after 11 bytes.*copy it again"):
        open_msr_depth(tmp_path / "short.bin", Limits())
    with pytest.raises(MediaError, match="cannot be read"):
        open_msr_depth(tmp_path / "nowhere.bin", Limits())


@pytest.mark.parametrize("value", [-1, 70_000])
def test_numbers_beyond_16_bits_are_no_depth(tmp_path: Path, value: int) -> None:
    (stream,) = open_streams(write_depth(tmp_path / "d.bin", [*FRAMES, np.full((6, 8), value)]))
    with pytest.raises(MediaError, match=f"d.bin, frame 6: holds values from {value} to {value}; depth is from 0"):
        list(stream.read())


@given(place=st.integers(0, 1000), value=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_refused_or_leaves_frames(tmp_path: Path, place: int, value: int, cut: bool) -> None:
    path = write_depth(tmp_path / "d.bin", FRAMES)
    spoil(path, place, value, cut=cut)
    check_refused_or_read(path, is_cut=cut)
