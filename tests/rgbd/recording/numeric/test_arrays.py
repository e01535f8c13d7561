"""NumPy's arrays are read frame by frame, metres in millimetres; what is cut, hostile or no stream is refused."""

import io
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rgbd.errors import DamagedError, MediaError, TooLargeError
from rgbd.recording.depth import unit_of
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import StreamReader, frame_of
from tests.support.damage import check_refused_or_read, spoil

DEPTH = np.random.default_rng(0).integers(0, 1 << 16, (5, 6, 8), np.uint16)
COLOR = np.random.default_rng(1).integers(0, 1 << 8, (5, 6, 8, 3), np.uint8)
METRES = np.random.default_rng(2).uniform(0, 65.5, (5, 6, 8))


def opened(path: Path, array: NDArray[np.generic]) -> StreamReader:
    """Return the stream of an array that NumPy has saved, as the suffix says."""
    if path.suffix == ".npz":
        np.savez_compressed(path, array)
    else:
        np.save(path, array)
    (stream,) = open_streams(path)
    return stream


def frames_of(stream: StreamReader) -> NDArray[np.generic]:
    return np.stack([frame_of(picture) for picture in stream.read()])


SUFFIXES = pytest.mark.parametrize("suffix", [".npy", ".npz"])


@SUFFIXES
@pytest.mark.parametrize(
    "array", [DEPTH, DEPTH.astype(">u2"), np.asfortranarray(DEPTH), COLOR, np.asfortranarray(COLOR)]
)
def test_numbers_are_the_same_however_they_lie_in_the_file(
    tmp_path: Path, suffix: str, array: NDArray[np.generic]
) -> None:
    stream = opened(tmp_path / f"clip{suffix}", array)
    assert (stream.num_frames, stream.size, stream.is_depth, stream.unit_mm) == (5, (8, 6), array.ndim == 3, None)
    frames = frames_of(stream)
    assert frames.dtype == (np.uint16 if array.ndim == 3 else np.uint8) and frames.dtype.isnative
    np.testing.assert_array_equal(frames, array)
    np.testing.assert_array_equal(np.stack(list(stream.read([1, 4]))), array[[1, 4]])  # type: ignore[arg-type]


@SUFFIXES
@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4"])
def test_floating_point_is_metres(tmp_path: Path, suffix: str, dtype: str) -> None:
    stream = opened(tmp_path / f"clip{suffix}", METRES.astype(dtype))
    assert (stream.is_depth, stream.unit_mm) == (True, 1.0)
    exact = [[[round(float(value) * 1000) for value in row] for row in frame] for frame in METRES.astype(dtype)]
    np.testing.assert_array_equal(frames_of(stream), exact)
    assert stream.damage == ()


def test_half_precision_is_metres(tmp_path: Path) -> None:
    stream = opened(tmp_path / "clip.npy", np.full((2, 6, 8), 1.5, np.float16))
    np.testing.assert_array_equal(frames_of(stream), np.full((2, 6, 8), 1500))


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf, -1.0, 0.0, -0.0])
def test_what_is_no_distance_was_not_measured(tmp_path: Path, nothing: float) -> None:
    metres = np.full((1, 4, 5), 2.25, np.float32)
    metres[0, 1] = nothing
    stream = opened(tmp_path / "clip.npy", metres)
    expected = np.full((1, 4, 5), 2250)
    expected[0, 1] = 0
    np.testing.assert_array_equal(frames_of(stream), expected)
    assert stream.damage == ()


def test_what_is_too_far_was_not_measured_and_is_told_where_it_is_more_than_a_little(tmp_path: Path) -> None:
    metres = np.full((2, 10, 50), 65.535)
    metres[:, :1, :5] = 65.536
    stream = opened(tmp_path / "little.npy", metres)
    assert frames_of(stream).max() == 65535 and frames_of(stream).min() == 0
    assert stream.damage == ()
    metres[:, :1] = 1e10  # what renderers have for nothing
    stream = opened(tmp_path / "more.npy", metres)
    assert np.unique(frames_of(stream)).tolist() == [0, 65535]
    assert stream.damage == ("10 % of its distances are beyond 65.535 m, and taken as not measured",)
    assert len(frames_of(stream)) == 2  # it is no damage that a copy of the file would not have


def test_millimetres_as_floating_point_are_not_emptied(tmp_path: Path) -> None:
    stream = opened(tmp_path / "clip.npy", np.full((2, 6, 8), 2345, np.float32))
    with pytest.raises(MediaError, match=r"frame 1: .*read as metres.*farther than 2345 m; save millimetres as uint16"):
        frames_of(stream)


def test_a_scale_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    metres, plain = opened(tmp_path / "m.npy", METRES), opened(tmp_path / "d.npy", DEPTH)
    assert [unit_of(metres, told) for told in (None, 1.0)] == [1, 1]
    assert [unit_of(plain, told) for told in (None, 1.0, 0.25)] == [1, 1, 0.25]
    with pytest.raises(MediaError, match=r"depth_scale_mm 1000 contradicts the file.*leave depth_scale_mm out"):
        unit_of(metres, 1000)


@SUFFIXES
def test_a_few_frames_of_a_long_array_are_in_memory(tmp_path: Path, suffix: str) -> None:
    stream = opened(tmp_path / f"long{suffix}", np.full((400, 240, 320), 1.25, np.float32))
    tracemalloc.start()
    assert sum(1 for _ in stream.read()) == 400
    assert [frame_of(picture)[0, 0] for picture in stream.read([399])] == [1250]
    assert tracemalloc.get_traced_memory()[1] < 40 << 20  # of 123 MB; zipfile passes over what is not wanted by 16
    tracemalloc.stop()


def test_what_was_changed_in_an_archive_is_noticed_behind_the_last_frame_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    np.savez(path, DEPTH)
    data = bytearray(path.read_bytes())
    data[data.index(DEPTH[4].tobytes())] ^= 1
    path.write_bytes(data)
    with pytest.raises(MediaError, match="Bad CRC-32"):
        list(open_streams(path)[0].read([0, 1]))


@pytest.mark.parametrize("num_missing", [1, 96, 100, 400])
def test_a_file_that_was_cut_tells_how_many_frames_it_holds(tmp_path: Path, num_missing: int) -> None:
    path, num_held = tmp_path / "cut.npy", 5 - -(-num_missing // 96)
    np.save(path, DEPTH)
    path.write_bytes(path.read_bytes()[:-num_missing])
    reason = f"holds {num_held} of the 5 frames that its header promises"
    if num_held == 0:
        with pytest.raises(MediaError, match=reason):
            open_streams(path)
        return
    with pytest.raises(DamagedError, match=reason):
        list(open_streams(path)[0].read())
    (stream,) = open_streams(path, Limits(on_damage="report"))
    np.testing.assert_array_equal(frames_of(stream), DEPTH[:num_held])
    assert stream.damage == (reason,)


@pytest.mark.parametrize(
    "array",
    [DEPTH[0], DEPTH.astype(np.int16), DEPTH.astype(np.int32), COLOR[..., :2], DEPTH[:0], COLOR.astype(np.float32)],
)
def test_what_is_no_stream_is_named(tmp_path: Path, array: NDArray[np.generic]) -> None:
    for suffix in (".npy", ".npz"):
        with pytest.raises(MediaError, match=r"the array is .*; expected uint8 \[frames, height, width, 3\], uint16"):
            opened(tmp_path / f"x{suffix}", array)


def test_an_archive_has_both_streams_and_names_choose_where_there_are_more(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    np.savez(path, rgb=COLOR, depth=DEPTH, intrinsics=np.eye(3), times=np.arange(5.0))
    rgb, depth = open_stream(path, "rgb"), open_stream(path, "depth")
    assert (rgb.track, depth.track) == ("rgb", "depth")
    np.testing.assert_array_equal(frames_of(depth), DEPTH)
    np.savez_compressed(path, left=DEPTH, right=DEPTH[:3])
    with pytest.raises(MediaError, match=r"several tracks of depth: left \(depth, 8x6, 5 frames\), right"):
        open_stream(path, "depth")
    assert open_stream(path, "depth", track="right").num_frames == 3


def test_arrays_of_which_none_is_a_stream_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.eye(3), b=DEPTH.astype(np.int16))
    with pytest.raises(MediaError, match=r"the arrays are float64 \[3, 3\], int16 \[5, 6, 8\]; expected uint8"):
        open_streams(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", **{f"f{number}": DEPTH[0] for number in range(101)})
    with pytest.raises(MediaError, match="holds 101 arrays"):
        open_streams(tmp_path / "y.npz")


def test_pickles_are_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = np.empty((2, 3, 4), object)
    np.save(tmp_path / "x.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "x.npz", objects, allow_pickle=True)
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("a pickle was read"))
    for suffix in (".npy", ".npz"):
        with pytest.raises(MediaError, match=r"the array is object \[2, 3, 4\]"):
            open_streams(tmp_path / f"x{suffix}")


def claiming(shape: tuple[int, ...], dtype: str = "<u2") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(1000)


@pytest.mark.parametrize("shape", [(10, 1 << 20, 1 << 20), (1 << 60, 6, 8), (1 << 70, 1 << 70, 1 << 70), (-5, 6, 8)])
def test_claims_are_checked_before_memory_is_taken(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "huge.npy"
    path.write_bytes(claiming(shape))
    tracemalloc.start()
    with pytest.raises(MediaError):
        list(open_streams(path)[0].read())
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_claims_are_held_to_the_limits(tmp_path: Path) -> None:
    for suffix in (".npy", ".npz"):
        opened(tmp_path / f"clip{suffix}", METRES)
        for limits in (Limits(max_frames=4), Limits(max_pixels=47)):
            with pytest.raises(TooLargeError):
                open_streams(tmp_path / f"clip{suffix}", limits)


@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_refused_or_leaves_frames(tmp_path: Path, place: int, value: int, cut: bool) -> None:
    path = tmp_path / "d.npy"
    np.save(path, METRES.astype(np.float32))
    spoil(path, place % min(path.stat().st_size, 140), value, cut=cut)  # its header, and some numbers
    check_refused_or_read(path, is_cut=cut)
