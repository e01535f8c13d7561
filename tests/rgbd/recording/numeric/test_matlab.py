"""MATLAB files: what MATLAB writes is read, and what is damaged, hostile or of another kind is refused in words."""

import struct
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.numeric.matlab import read_matlab_array
from rgbd.recording.streams import frame_of
from tests.support.damage import check_refused_or_read, spoil
from tests.support.real import real_recordings

DEPTH = np.arange(6 * 8 * 4, dtype=np.uint16).reshape(6, 8, 4) + 900
HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def mat(path: Path, **variables: Any) -> Path:
    savemat(path, variables, do_compression=True)
    return path


def variable(
    shape: tuple[int, ...], data: bytes, *, kind: int = 11, stored: int = 4, num_bytes: int | None = None
) -> bytes:
    """Return the element of one array, by hand: `kind` is its class, `stored` the type of its numbers."""
    sizes = struct.pack(f"<{len(shape)}i", *shape)
    body = (
        struct.pack("<IIII", 6, 8, kind, 0) + struct.pack("<II", 5, len(sizes)) + sizes.ljust(-(-len(sizes) // 8) * 8)
    )
    body += struct.pack("<HH4s", 1, 1, b"d") + struct.pack("<II", stored, len(data) if num_bytes is None else num_bytes)
    body += data.ljust(-(-len(data) // 8) * 8, b"\0")
    return struct.pack("<II", 14, len(body)) + body


def packed(element: bytes) -> bytes:
    data = zlib.compress(element)
    return struct.pack("<II", 15, len(data)) + data


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32, np.uint32, np.int64])
def test_depth_of_any_whole_numbers_is_16_bit(tmp_path: Path, dtype: type) -> None:
    (stream,) = open_streams(mat(tmp_path / "d.mat", d_depth=DEPTH.astype(dtype)))
    assert (stream.is_depth, stream.size, stream.num_frames) == (True, (8, 6), 4)
    frames = [frame_of(picture) for picture in stream.read()]
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint16)}
    np.testing.assert_array_equal(np.stack(frames, axis=-1), DEPTH)


def test_doubles_that_matlab_has_packed_into_bytes_are_whole_numbers(tmp_path: Path) -> None:
    small = (DEPTH % 200).astype(np.uint8)
    path = tmp_path / "d.mat"
    path.write_bytes(HEADER + packed(variable(small.shape, small.tobytes("F"), kind=6, stored=2)))
    np.testing.assert_array_equal(np.stack(list(open_streams(path)[0].read()), axis=-1), small)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"s": {"depth": DEPTH}}, r"holds s \(struct \[1, 1\]\); expected an array"),
        ({"c": np.array([1, "x"], object)}, r"holds c \(cell"),
        ({"skeleton": np.zeros((20, 3, 5))}, r"skeleton \(double \[20, 3, 5\]\)"),
        ({"z": DEPTH * 1j}, r"z \(complex"),
        ({"e": DEPTH[:, :, :0]}, r"e \(uint16 \[6, 8, 0\]\)"),
    ],
)
def test_what_is_no_stream_is_named(tmp_path: Path, variables: dict[str, Any], message: str) -> None:
    with pytest.raises(MediaError, match=message):
        open_streams(mat(tmp_path / "x.mat", **variables))


def test_several_arrays_are_called_by_their_names(tmp_path: Path) -> None:
    path = mat(
        tmp_path / "x.mat", rgb=np.zeros((6, 8, 3, 4), np.uint8), left=DEPTH, right=DEPTH[:, :, :3], joints=np.eye(3)
    )
    assert open_stream(path, "rgb").track == "rgb"
    assert open_stream(path, "depth", track="right").num_frames == 3
    with pytest.raises(MediaError, match=r"several tracks of depth: left \(depth, 8x6, 4 frames\), right"):
        open_stream(path, "depth")


def test_numbers_beyond_16_bits_are_no_depth(tmp_path: Path) -> None:
    for value in (-1, 70_000):
        (stream,) = open_streams(mat(tmp_path / "d.mat", d=np.full((6, 8, 4), value, np.int32)))
        with pytest.raises(MediaError, match=f"holds values from {value} to {value}.*save it as uint16"):
            list(stream.read())


def test_version_7_3_is_refused_with_what_converts_it(tmp_path: Path) -> None:
    path = tmp_path / "new.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(MediaError, match=r"version 7\.3, which is not read here.*'-v7'"):
        open_streams(path)


def test_claims_are_checked_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mat"
    real = bytes(1 << 20)
    for element in (
        variable((60_000, 60_000, 4), real, num_bytes=28_800_000_000 % 2**32),  # more than 32 bits can say
        variable((30_000, 30_000, 2), real, num_bytes=3_600_000_000),
        variable((6, 8, 4), real),  # more numbers than its sizes say
        variable((6, 8, 4), real, num_bytes=4_000_000_000),
    ):
        path.write_bytes(HEADER + packed(element))
        tracemalloc.start()
        with pytest.raises(MediaError):
            list(open_streams(path)[0].read())
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
        tracemalloc.stop()


def test_what_unpacks_to_far_more_than_a_recording_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mat"
    num_bytes = 2 * 1000 * 1000 * 200
    element = variable((1000, 1000, 200), b"", num_bytes=num_bytes)
    whole = struct.pack("<II", 14, len(element) - 8 + num_bytes) + element[8:]
    path.write_bytes(HEADER + packed(whole))
    with pytest.raises(TooLargeError, match="unpacks to 381 MiB"):
        open_streams(path)
    with pytest.raises(TooLargeError, match="more than 3 frames"):
        open_streams(mat(tmp_path / "d.mat", d=DEPTH), Limits(max_frames=3))


@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans(), compressed=st.booleans())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_refused_or_leaves_frames(
    tmp_path: Path, place: int, value: int, cut: bool, compressed: bool
) -> None:
    path = tmp_path / "d.mat"
    savemat(path, {"d": DEPTH}, do_compression=compressed)
    spoil(path, place, value, cut=cut)
    check_refused_or_read(path, is_cut=cut)


def test_a_variable_is_read_by_its_name(tmp_path: Path) -> None:
    path = mat(tmp_path / "s.mat", d_skel=np.zeros((20, 3, 5)), other=np.ones(3))
    assert read_matlab_array(path, "d_skel").shape == (20, 3, 5)
    with pytest.raises(
        MediaError, match=r"holds d_skel \(double \[20, 3, 5\]\), other .*; expected one array 'd_depth'"
    ):
        read_matlab_array(path, "d_depth")


def test_where_scipy_is_missing_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mat(tmp_path / "d.mat", d=DEPTH)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MediaError, match=r"needs scipy; pip install 'rgbd-motion\[matlab\]'"):
        open_streams(path)


def test_a_real_kinect_s_depth_is_read() -> None:
    (stream,) = open_streams(real_recordings("utd_mhad") / "Depth" / "a1_s1_t1_depth.mat")
    assert (stream.num_frames, stream.size, stream.is_depth) == (48, (320, 240), True)
    frame = frame_of(next(iter(stream.read())))
    assert 2000 < np.median(frame[frame > 0]) < 3500
