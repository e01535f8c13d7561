"""Bags that were cut, damaged, or made to do harm: read as far as they go, or refused with the reason."""

import sqlite3
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
import zstandard
from rosbags.rosbag1 import Writer

from benchmarks.support.ros_bags import (
    COLOR,
    CONTAINERS,
    DEPTH,
    DEPTH_TOPIC,
    SECOND,
    camera,
    compressed,
    image,
    write_bag,
)
from rgbd.errors import DamagedError, MediaError, TooLargeError, UserError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.stills.images import encode_image
from rgbd.recording.streams import MiscountedError, frame_of

SKIP = Limits(on_damage="skip")


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


@pytest.mark.parametrize(("container", "share"), [("bag", 0.6), ("bag lz4", 0.8), ("mcap", 0.6), ("mcap zstd", 0.6)])
def test_a_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path, container: str, share: float) -> None:
    path = cut(write_bag(tmp_path, container, camera()), share)  # lz4 unpacks blocks of 64 kB, or nothing
    with pytest.raises(DamagedError, match=r"cut or damaged at .*byte \d+; \d+ messages could be read"):
        list(open_stream(path, "depth").read())
    depth = open_stream(path, "depth", SKIP)
    frames = [frame_of(frame) for frame in depth.read()]
    assert 2 <= len(frames) < 5
    for frame, expected in zip(frames, DEPTH, strict=False):
        np.testing.assert_array_equal(frame, expected)
    assert "messages could be read" in depth.damage[0]


def without_index(path: Path) -> Path:
    """Leave of a bag what is there while it is recorded: chunks, and a header of zeros."""
    data = bytearray(path.read_bytes())
    start = data.index(b"index_pos=") + len(b"index_pos=")
    (index,) = struct.unpack_from("<Q", data, start)
    data[start : start + 8] = bytes(8)
    path.write_bytes(data[:index])
    return path


def without_footer(path: Path) -> Path:
    data = path.read_bytes()
    footer = len(data) - 8 - 29
    (summary,) = struct.unpack_from("<Q", data, footer + 9)
    path.write_bytes(data[:summary])
    return path


@pytest.mark.parametrize(
    ("container", "kill"),
    [("bag", without_index), ("bag bz2", without_index), ("mcap", without_footer), ("mcap zstd", without_footer)],
)
def test_a_recorder_that_was_killed_leaves_all_frames(
    tmp_path: Path, container: str, kill: Callable[[Path], Path]
) -> None:
    path = kill(write_bag(tmp_path, container, camera()))
    rgb, depth = open_streams(path, SKIP)
    assert (len(list(rgb.read())), len(list(depth.read()))) == (7, 5)
    assert depth.damage == ("was not recorded to its end, or is cut; it has 21 messages",)


def test_a_page_of_a_database_that_is_damaged_counts(tmp_path: Path) -> None:
    path = cut(write_bag(tmp_path, "db3", camera()), 0.6)
    with pytest.raises(UserError):
        list(open_stream(path, "depth").read())
    depth = open_stream(path, "depth", SKIP)
    frames = [frame_of(frame) for frame in depth.read()]
    assert 1 <= len(frames) < 5
    np.testing.assert_array_equal(frames[0], DEPTH[0])
    assert "damaged" in "; ".join(depth.damage)


def test_an_image_that_is_damaged_is_left_out_with_its_time_where_that_is_asked_for(tmp_path: Path) -> None:
    packed = [encode_image(".png", frame) for frame in DEPTH]
    packed[2] = packed[2][:-200]
    said = [compressed("png", data, (5 + number) * SECOND) for number, data in enumerate(packed)]
    path = write_bag(tmp_path, "mcap", {DEPTH_TOPIC: said})
    with pytest.raises(MediaError, match=f"{DEPTH_TOPIC}, frame 3: the image is truncated"):
        list(open_streams(path)[0].read())
    (stream,) = open_streams(path, SKIP)
    with pytest.raises(MiscountedError):
        list(stream.read([0, 2]))
    assert (stream.num_frames, stream.times_s) == (4, (0, 1, 3, 4))
    np.testing.assert_array_equal(next(iter(stream.read([2]))), DEPTH[3])
    assert stream.damage == (f"has 1 images in {DEPTH_TOPIC} that are damaged",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"step": 100}, "in rows of 100 bytes"), ({"height": 49}, "64x49"), ({"data": np.zeros(9, np.uint8)}, "has 9")],
)
def test_an_image_that_contradicts_itself_is_refused(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    name, fields = image("16UC1", DEPTH[0], SECOND)
    with pytest.raises(MediaError, match=reason):
        list(open_streams(write_bag(tmp_path, "bag", {DEPTH_TOPIC: [(name, fields | change)]}))[0].read())


def test_frames_of_another_size_or_kind_are_refused(tmp_path: Path) -> None:
    said = [image("16UC1", DEPTH[0], SECOND), image("16UC1", DEPTH[0][:40], 2 * SECOND)]
    (stream,) = open_streams(write_bag(tmp_path, "bag", {DEPTH_TOPIC: said}))
    with pytest.raises(MediaError, match=r"frame 2: is 16UC1 of 64x40, the first is 16UC1 of 64x48"):
        list(stream.read())


@pytest.mark.parametrize("container", ["bag", "mcap", "db3"])
def test_limits_hold(tmp_path: Path, container: str) -> None:
    path = write_bag(tmp_path, container, camera())
    with pytest.raises(TooLargeError, match="more than 4 frames"):
        list(open_stream(path, "depth", Limits(max_frames=4)).read([0]))
    with pytest.raises(TooLargeError, match="64x48"):
        list(open_stream(path, "rgb", Limits(max_pixels=64 * 47)).read())
    assert len(list(open_stream(path, "depth", Limits(max_frames=5)).read())) == 5


def mcap_of(packing: str, num_bytes: int, packed: bytes) -> bytes:
    """Return an MCAP file of one chunk, as mcap.dev/spec has it."""
    text = struct.pack("<I", len(packing)) + packing.encode()
    chunk = struct.pack("<QQQI", 0, 0, num_bytes, 0) + text + struct.pack("<Q", len(packed)) + packed
    return b"\x89MCAP0\r\n" + struct.pack("<BQ", 6, len(chunk)) + chunk


@pytest.mark.parametrize("claimed", [1 << 20, 200 << 20, 1 << 40])
def test_what_unpacks_to_very_much_is_not_unpacked(tmp_path: Path, claimed: int) -> None:
    packed = zstandard.compress(bytes(300 << 20))
    (tmp_path / "x.mcap").write_bytes(mcap_of("zstd", claimed, packed))
    with pytest.raises(MediaError, match=r"far more than|no images"):
        open_streams(tmp_path / "x.mcap")


def test_many_chunks_that_unpack_to_very_much_together_are_refused(tmp_path: Path) -> None:
    one = mcap_of("zstd", 100 << 20, zstandard.compress(bytes(100 << 20)))
    (tmp_path / "x.mcap").write_bytes(one + 9 * one[8:])
    with pytest.raises(TooLargeError, match=r"unpacks to .* MiB, far more than a recording"):
        open_streams(tmp_path / "x.mcap")


def test_a_packing_that_is_not_known_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.mcap").write_bytes(mcap_of("brotli", 10, b"0123456789"))
    with pytest.raises(MediaError, match="packed with 'brotli'"):
        open_streams(tmp_path / "x.mcap")


@pytest.mark.parametrize(("container", "library"), [("bag lz4", "lz4"), ("mcap zstd", "zstandard")])
def test_a_library_that_is_missing_is_named(
    tmp_path: Path, container: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_bag(tmp_path, container, camera())
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "lz4.frame", raising=False)
    with pytest.raises(MediaError, match=rf"needs {library}.*pip install 'rgbd-motion\[ros\]'"):
        open_streams(path)


def test_a_bag_that_needs_no_library_is_read_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_bag(tmp_path, "bag", camera())
    for library in ("lz4", "lz4.frame", "zstandard"):
        monkeypatch.setitem(sys.modules, library, None)
    assert len(list(open_stream(path, "rgb").read())) == len(COLOR)


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE other (id INTEGER)",
        "CREATE TABLE topics (id INTEGER, name TEXT, type TEXT, serialization_format TEXT);"
        "CREATE VIEW messages AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i AS id, 1 AS topic_id, i AS timestamp, zeroblob(1000000000) AS data FROM n",
    ],
)
def test_a_database_of_something_else_is_refused(tmp_path: Path, schema: str) -> None:
    database = sqlite3.connect(tmp_path / "x.db3")
    database.executescript(schema)
    database.close()
    with pytest.raises(MediaError, match="is a database, but none of ROS 2"):
        open_streams(tmp_path / "x.db3")


def test_a_database_is_read_without_writing_beside_it(tmp_path: Path) -> None:
    path = write_bag(tmp_path, "db3", camera())
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    list(open_stream(path, "depth").read())
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before
    path.with_name(path.name + "-wal").write_bytes(b"what was not yet written into the database")
    assert "recorded.db3-wal holds messages" in open_stream(path, "depth", SKIP).damage[0]


def test_an_image_that_somebody_has_defined_otherwise_is_not_read_as_one_of_ros(tmp_path: Path) -> None:
    with Writer(tmp_path / "x.bag") as writer:
        own = writer.add_connection("/cam/3", "sensor_msgs/msg/Image", msgdef="uint64 number", md5sum="0" * 32)
        writer.write(own, SECOND, bytes(8))
    with pytest.raises(MediaError, match=r"/cam/3 \(sensor_msgs/Image of another definition than ROS's, 1 messages\)"):
        open_streams(tmp_path / "x.bag")


@pytest.mark.parametrize("container", CONTAINERS)
def test_whatever_bytes_are_changed_it_is_read_or_refused(tmp_path: Path, container: str) -> None:
    whole, chance = write_bag(tmp_path, container, camera()).read_bytes(), Random(container)
    path, limits = tmp_path / "changed", Limits(100, 1 << 20, any_container=False, on_damage="report")
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 4, 40])):
            # Half of them where a file says what it is made of.
            place = chance.randrange(len(data) if chance.random() < 0.5 else 6000)
            data[place] = chance.choice([0, 255, data[place] ^ 1 << chance.randrange(8), chance.randrange(256)])
        if chance.random() < 0.3:
            data = data[: chance.randrange(len(data))]
        path.write_bytes(data)
        try:
            for stream in open_streams(path, limits):
                for picture in stream.read():
                    frame_of(picture)
        except UserError as error:
            assert str(path) in str(error) or "frames" in str(error)
