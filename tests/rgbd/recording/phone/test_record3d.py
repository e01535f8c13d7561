"""Recordings of Record3D, which Apple's LZFSE has packed, are read exactly; what is damaged is named."""

import io
import json
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from imagecodecs import lzfse_encode
from PIL import Image

from rgbd.camera.calibration import IDENTITY, Intrinsics
from rgbd.errors import DamagedError, MediaError, TooLargeError, UserError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import frame_of

NUM_FRAMES = 12
METRES = np.random.default_rng(0).uniform(0.2, 5, (NUM_FRAMES, 64, 48)).astype(np.float32)
REDS = [10 + 15 * index for index in range(NUM_FRAMES)]
METADATA = {
    "w": 180,
    "h": 240,
    "dw": 48,
    "dh": 64,
    "fps": 60,
    "K": [400.0, 0, 0, 0, 401.0, 0, 89.5, 119.5, 1],
    "frameTimestamps": [7.5 + index / 30 for index in range(NUM_FRAMES)],
    "poses": [[0, 0, 0, 1, 0, 0, 0]] * NUM_FRAMES,
    "cameraType": 1,
}

Files = dict[str, bytes]


def jpeg(red: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (180, 240), (red, 60, 40)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def files(metadata: dict[str, Any] | None = None, **changes: Any) -> Files:
    said = (METADATA if metadata is None else metadata) | changes
    found = {"metadata": json.dumps(said).encode(), "icon": b"a picture", "sound.m4a": b"sound"}
    for index in range(NUM_FRAMES):
        found[f"rgbd/{index}.jpg"] = jpeg(REDS[index])
        found[f"rgbd/{index}.depth"] = lzfse_encode(METRES[index].tobytes())
        found[f"rgbd/{index}.conf"] = lzfse_encode(bytes(48 * 64))
    return found


def r3d(path: Path, members: Files, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in sorted(members):
            archive.writestr(top + name, members[name])
    return path


def millimetres(metres: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array([round(float(value) * 1000) for value in metres.flat]).reshape(metres.shape)


@pytest.mark.parametrize("top", ["", "2026-11-29--15-00-00/"])
def test_colour_and_depth_are_read_with_their_times(tmp_path: Path, top: str) -> None:
    color, depth = open_streams(r3d(tmp_path / "upload", files(), top), Limits(any_container=False))
    assert (color.is_depth, color.size, color.num_frames) == (False, (180, 240), NUM_FRAMES)
    assert (depth.is_depth, depth.size, depth.num_frames, depth.unit_mm) == (True, (48, 64), NUM_FRAMES, 1.0)
    for stream in (color, depth):
        assert stream.times_s == pytest.approx([index / 30 for index in range(NUM_FRAMES)])
        assert not stream.damage and not stream.notes
    assert [int(frame_of(frame)[0, 0, 0]) for frame in color.read()] == pytest.approx(REDS, abs=3)
    for frame, metres in zip(depth.read(), METRES, strict=True):
        np.testing.assert_array_equal(frame_of(frame), millimetres(metres))
    np.testing.assert_array_equal(frame_of(next(iter(depth.read([10])))), millimetres(METRES[10]))
    assert open_stream(tmp_path / "upload", "depth").is_depth


def test_both_are_seen_through_one_lens(tmp_path: Path) -> None:
    color, depth = open_streams(r3d(tmp_path / "x.r3d", files()))
    assert color.camera.intrinsics == Intrinsics((180, 240), 400.0, 401.0, 89.5, 119.5)
    # 3.75 times as small; the middle of 180 pixels is 89.5, that of 48 is 23.5.
    lens = depth.camera.intrinsics
    assert lens is not None and lens.size == (48, 64)
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == pytest.approx((400 / 3.75, 401 / 3.75, 23.5, 31.5))
    assert depth.camera.pose_to(color.camera) == IDENTITY


def test_a_lens_that_was_focused_anew_for_each_frame_is_what_lies_between(tmp_path: Path) -> None:
    every = [[390.0 + index, 391.0 + index, 88.0, 118.0] for index in range(NUM_FRAMES)]
    color, _ = open_streams(r3d(tmp_path / "x.r3d", files(perFrameIntrinsicCoeffs=every)))
    assert color.camera.intrinsics == Intrinsics((180, 240), 395.5, 396.5, 88.0, 118.0)
    color, _ = open_streams(r3d(tmp_path / "x.r3d", files(perFrameIntrinsicCoeffs=[[0, 0, 0, 0]] * NUM_FRAMES)))
    assert color.camera.intrinsics == Intrinsics((180, 240), 400.0, 401.0, 89.5, 119.5)


def test_where_no_lens_is_known_the_streams_lie_on_each_other_nevertheless(tmp_path: Path) -> None:
    color, depth = open_streams(r3d(tmp_path / "x.r3d", files(K=[0] * 9)))
    assert color.camera.intrinsics is None and depth.camera.pose_to(color.camera) == IDENTITY


def test_an_older_file_says_neither_the_size_of_depth_nor_times(tmp_path: Path) -> None:
    old = {name: METADATA[name] for name in ("w", "h", "K", "fps")}
    color, depth = open_streams(r3d(tmp_path / "x.r3d", files(old)))
    assert (depth.size, depth.fps, color.fps, depth.times_s) == ((48, 64), 60, 60, None)
    np.testing.assert_array_equal(frame_of(next(iter(depth.read([3])))), millimetres(METRES[3]))
    with pytest.raises(MediaError, match=r"holds 3072 numbers, which is no frame of the shape 180x200"):
        open_streams(r3d(tmp_path / "x.r3d", files(old | {"h": 200})))


def test_what_was_not_measured_is_zero(tmp_path: Path) -> None:
    metres = METRES[0].copy()
    metres[0, :4] = [np.nan, np.inf, -1, 0]
    members = files() | {"rgbd/0.depth": lzfse_encode(metres.tobytes())}
    frame = frame_of(next(iter(open_stream(r3d(tmp_path / "x.r3d", members), "depth").read([0]))))
    assert frame[0, :5].tolist() == [0, 0, 0, 0, *millimetres(METRES[0, 0, 4:5])]


def test_a_frame_that_is_missing_is_told_and_the_others_keep_their_times(tmp_path: Path) -> None:
    members = files()
    del members["rgbd/5.depth"]
    path = r3d(tmp_path / "x.r3d", members)
    with pytest.raises(DamagedError, match="lacks frame number 5, of 0 to 11"):
        list(open_stream(path, "depth").read())
    depth = open_stream(path, "depth", Limits(on_damage="report"))
    assert depth.times_s == pytest.approx([index / 30 for index in range(NUM_FRAMES) if index != 5])
    assert len(list(depth.read())) == NUM_FRAMES - 1


@pytest.mark.parametrize("stamps", [[1.0, 2.0], [1.0] * NUM_FRAMES])
def test_times_that_do_not_fit_are_told(tmp_path: Path, stamps: list[float]) -> None:
    color, depth = open_streams(r3d(tmp_path / "x.r3d", files(frameTimestamps=stamps)))
    assert (color.times_s, depth.times_s, depth.fps) == (None, None, 60)
    assert f"has times of {len(stamps)} frames, which do not fit" in depth.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": b"{"}, "its metadata are damaged"),
        ({"metadata": b'{"w": 180}'}, "h: Field required"),
        ({"metadata": json.dumps(METADATA | {"w": -1}).encode()}, "w: Input should be greater than 0"),
        ({"metadata": b"[" * 100_000}, "its metadata are damaged"),
        ({"rgbd/0.depth": lzfse_encode(bytes(100))}, r"rgbd/0\.depth: unpacks to less than the 48x64 numbers"),
        ({"rgbd/0.depth": lzfse_encode(bytes(1 << 20))}, r"rgbd/0\.depth: unpacks to more than the 48x64 numbers"),
        ({"rgbd/0.depth": b"bvx2" + bytes(100)}, r"rgbd/0\.depth: is damaged"),
        ({"rgbd/0.depth": b""}, r"rgbd/0\.depth: is damaged"),
        ({"rgbd/0.jpg": b"no picture"}, r"rgbd/0\.jpg: not a readable JPEG"),
    ],
)
def test_what_is_damaged_is_refused(tmp_path: Path, change: Files, message: str) -> None:
    path = r3d(tmp_path / "x.r3d", files() | change)
    with pytest.raises(MediaError, match=message):
        for stream in open_streams(path):
            list(stream.read())


def packed_zeros() -> bytes:
    """Return a few kilobytes that unpack to 200 MB, all of it in blocks like the first."""
    one = lzfse_encode(bytes(1 << 20))
    assert one.endswith(b"bvx$")
    return one[:-4] * 200 + one[-4:]


@pytest.mark.parametrize("size", [(48, 64), (None, None)])
def test_what_unpacks_to_very_much_takes_no_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    members = files(dw=size[0], dh=size[1]) | {"rgbd/0.depth": packed_zeros()}
    tracemalloc.start()
    with pytest.raises(MediaError, match=r"unpacks to more than|holds 43200 numbers"):
        list(open_streams(r3d(tmp_path / "x.r3d", members))[1].read())
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_claims_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    path = r3d(tmp_path / "x.r3d", files(dw=60_000, dh=60_000))
    with pytest.raises(TooLargeError, match="unpacks to 13732 MiB"):
        list(open_streams(path)[1].read())
    with pytest.raises(TooLargeError, match="60000x60000"):
        list(open_streams(path, Limits(max_pixels=1 << 20))[1].read())
    with pytest.raises(TooLargeError, match="more than 11 frames"):
        open_streams(path, Limits(max_frames=11))


def test_where_the_library_is_missing_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    color, depth = open_streams(r3d(tmp_path / "x.r3d", files()))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(MediaError, match=r"needs imagecodecs; pip install 'rgbd-motion\[record3d\]'"):
        list(depth.read())
    assert len(list(color.read())) == NUM_FRAMES


def flipped(chance: Random, data: bytes) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]


def cut(chance: Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data))]


@pytest.mark.parametrize("change", [flipped, cut])
@pytest.mark.parametrize("name", ["metadata", "rgbd/0.depth", "rgbd/3.jpg"])
def test_any_damage_is_refused_or_leaves_frames(
    tmp_path: Path, name: str, change: Callable[[Random, bytes], bytes]
) -> None:
    chance, members = Random(name), files()
    for _ in range(60):
        path = r3d(tmp_path / "x.r3d", members | {name: change(chance, members[name])})
        try:
            for stream in open_streams(path, Limits(100, 1 << 20, any_container=False)):
                assert len([frame_of(frame) for frame in stream.read()]) == NUM_FRAMES
        except UserError as error:
            assert "x.r3d" in str(error) or "rgbd/" in str(error) or "frames" in str(error)
