"""Our own file of two tracks: what is written of a recording is what is read, and nothing is made up."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks.support.ros_bags import (
    COLOR,
    COLOR_NS,
    DEPTH,
    DEPTH_NS,
    camera,
    camera_info,
    image,
    transform,
    tree,
    write_bag,
)
from rgbd.camera.calibration import Intrinsics, StreamCamera
from rgbd.errors import DamagedError, MediaError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.matroska import WrittenTrack, check_matroska, write_matroska
from rgbd.recording.stills.images import write_image
from rgbd.recording.streams import MiscountedError, StreamReader, frame_of
from rgbd.recording.tracks import choose_tracks
from rgbd.types import Frame, Stream

RANDOM = np.random.default_rng(0)


class Made(StreamReader):
    """A stream of frames and their times."""

    def __init__(self, frames: Sequence[Frame], times_s: Sequence[float] | None = None, **said: Any) -> None:
        self.name, self.frames = "made", frames
        self.size, self.is_depth = (frames[0].shape[1], frames[0].shape[0]), frames[0].ndim == 2
        self.num_frames, self.times_s = len(frames), None if times_s is None else tuple(times_s)
        for name, value in said.items():
            setattr(self, name, value)

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        assert indices is None
        yield from self.frames


def colors(num_frames: int = 4, size: tuple[int, int] = (64, 48)) -> list[Frame]:
    return list(RANDOM.integers(0, 256, (num_frames, size[1], size[0], 3), np.uint8))


def depths(num_frames: int = 4, size: tuple[int, int] = (64, 48)) -> list[Frame]:
    return list(RANDOM.integers(0, 1 << 16, (num_frames, size[1], size[0]), np.uint16))


def keep(path: Path, streams: Mapping[Stream, StreamReader], **fps: float) -> list[WrittenTrack]:
    """Write a file, which is compared, and return what was written."""
    return write_matroska(path, streams, {"rgb": fps.get("rgb"), "depth": fps.get("depth")}, lambda _: None)


def frames_of(stream: StreamReader) -> list[Frame]:
    return [frame_of(picture) for picture in stream.read()]


def is_same(stream: StreamReader, frames: Sequence[Frame]) -> bool:
    read = frames_of(stream)
    return len(read) == len(frames) == stream.num_frames and all(map(np.array_equal, read, frames))


def attached(path: Path) -> Any:
    with av.open(str(path)) as container:
        (file,) = container.streams.attachments
        assert (file.name, file.mimetype) == ("rgbd-calibration.json", "application/json")
        return json.loads(file.data)


def test_a_camera_of_ros_is_kept_whole(tmp_path: Path) -> None:
    infos = {
        f"/camera/{kind}/camera_info": [camera_info((64, 48), (50 + 1 / 3, 0, 32, 0, 51, 24, 0, 0, 1), model, numbers)]
        for kind, model, numbers in (
            ("depth", "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.03)),
            ("color", "rational_polynomial", tuple(0.1 / number for number in range(1, 9))),
        )
    }
    turn = np.array([0.1, 0.2, 0.3, 0.9]) / np.linalg.norm([0.1, 0.2, 0.3, 0.9])
    topics = {
        "/camera/color/image_raw": [
            image("rgb8", frame, time, frame="color") for frame, time in zip(COLOR, COLOR_NS, strict=True)
        ],
        "/camera/depth/image_rect_raw": [
            image("16UC1", frame, time, frame="depth") for frame, time in zip(DEPTH, DEPTH_NS, strict=True)
        ],
        "/tf_static": [tree(("depth", "color", transform((0.015, -0.001, 1 / 3), turn.tolist())))],
    }
    source = choose_tracks(open_streams(write_bag(tmp_path, "bag", topics | infos)), ["rgb", "depth"], {})
    keep(tmp_path / "kept.mkv", source)
    color, depth = open_streams(tmp_path / "kept.mkv")
    assert (color.track, color.is_depth, depth.track, depth.is_depth) == ("COLOR", False, "DEPTH", True)
    assert is_same(color, COLOR) and is_same(depth, DEPTH)
    assert (color.camera, depth.camera) == (source["rgb"].camera, source["depth"].camera)
    assert depth.camera.intrinsics is not None and depth.camera.intrinsics.model == "plumb_bob"
    way = depth.camera.pose_to(color.camera)
    assert way is not None and way == source["depth"].camera.pose_to(source["rgb"].camera)
    # Seven of colour and five of depth, which begins 5 ms earlier.
    assert color.times_s == pytest.approx([0.005 + 0.033 * number for number in range(7)], abs=1e-9)
    assert depth.times_s == pytest.approx([0.05 * number for number in range(5)], abs=1e-9)
    assert (color.notes, depth.notes, color.damage, depth.damage) == ((), (), (), ())


@pytest.mark.parametrize("size", [(64, 48), (33, 17), (8, 6), (1280, 720)])
def test_frames_of_any_size_bit_for_bit(tmp_path: Path, size: tuple[int, int]) -> None:
    rgb, depth = colors(size=size), depths(size=size)
    keep(tmp_path / "kept.mkv", {"rgb": Made(rgb, range(4)), "depth": Made(depth, range(4))})
    read = open_streams(tmp_path / "kept.mkv")
    assert is_same(read[0], rgb) and is_same(read[1], depth)


@pytest.mark.parametrize("stream", ["rgb", "depth"])
def test_one_stream_alone(tmp_path: Path, stream: Stream) -> None:
    frames = colors() if stream == "rgb" else depths()
    keep(tmp_path / "kept.mkv", {stream: Made(frames, (0, 0.1, 0.5, 0.6), unit_mm=0.25 if stream == "depth" else None)})
    (read,) = open_streams(tmp_path / "kept.mkv")
    assert is_same(read, frames) and read.times_s == (0, 0.1, 0.5, 0.6)
    assert read.unit_mm == (0.25 if stream == "depth" else None)
    assert open_stream(tmp_path / "kept.mkv", stream).track == read.track


@pytest.mark.parametrize("start_s", [-2.5, 0, 0.464, 1_700_000_000.123])
def test_times_are_those_of_the_recording_s_clock(tmp_path: Path, start_s: float) -> None:
    rgb_s, depth_s = [start_s + 0.033 * number for number in range(4)], [start_s + 90 + number for number in range(4)]
    keep(tmp_path / "kept.mkv", {"rgb": Made(colors(), rgb_s), "depth": Made(depths(), depth_s)})
    color, depth = open_streams(tmp_path / "kept.mkv")
    assert color.times_s == tuple(round(time, 3) for time in rgb_s)
    assert depth.times_s == tuple(round(time, 3) for time in depth_s)
    with av.open(str(tmp_path / "kept.mkv")) as container:  # a player begins at 0
        assert container.start_time == 0 and container.duration == pytest.approx(94e6, abs=2e6)


def test_two_files_begin_together(tmp_path: Path) -> None:
    streams: dict[Stream, StreamReader] = {
        "rgb": Made(colors(), (5, 6, 7, 8), name="a"),
        "depth": Made(depths(), (70, 71, 72, 74), name="b"),
    }
    keep(tmp_path / "kept.mkv", streams)
    color, depth = open_streams(tmp_path / "kept.mkv")
    assert (color.times_s, depth.times_s) == ((0, 1, 2, 3), (0, 1, 2, 4))


def test_times_that_nobody_knows_are_not_made_up(tmp_path: Path) -> None:
    keep(tmp_path / "kept.mkv", {"rgb": Made(colors()), "depth": Made(depths())}, depth=10)
    color, depth = open_streams(tmp_path / "kept.mkv")
    assert (color.times_s, color.fps) == (None, None)
    assert (depth.times_s, depth.fps) == (pytest.approx((0, 0.1, 0.2, 0.3)), 10)


def test_frames_of_one_millisecond_are_kept_apart(tmp_path: Path) -> None:
    (written,) = keep(tmp_path / "kept.mkv", {"rgb": Made(colors(), (0, 0.0001, 0.0002, 0.5))})
    assert open_streams(tmp_path / "kept.mkv")[0].times_s == (0, 0.001, 0.002, 0.5)
    assert written.farthest_ms == pytest.approx(1.8)


def test_times_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"made: has times that cannot be, up to inf s"):
        keep(tmp_path / "kept.mkv", {"rgb": Made(colors(), (0, 1, 2, np.inf))})


def test_depth_that_was_published_as_8_bit_images_is_depth_again(tmp_path: Path) -> None:
    rgb, depth = colors(), colors()
    keep(tmp_path / "kept.mkv", {"rgb": Made(rgb, range(4)), "depth": Made(depth, range(4))})
    chosen = choose_tracks(open_streams(tmp_path / "kept.mkv"), ["rgb", "depth"], {})
    assert is_same(chosen["rgb"], rgb) and is_same(chosen["depth"], depth)
    assert is_same(open_stream(tmp_path / "kept.mkv", "depth"), depth)


def test_frames_of_another_size_are_named_and_nothing_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index, frame in enumerate([*depths(2), *depths(1, (32, 24))]):
        write_image(folder / f"{index}.png", frame)
    with pytest.raises(MediaError, match=r"2\.png: is depth of 32x24, the first is depth of 64x48"):
        keep(tmp_path / "kept.mkv", {"depth": open_stream(folder, "depth")})
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("num_promised", [3, 5])
def test_another_number_of_frames_than_promised_is_told(tmp_path: Path, num_promised: int) -> None:
    with pytest.raises(MiscountedError):
        keep(tmp_path / "kept.mkv", {"rgb": Made(colors(4), range(num_promised), num_frames=num_promised)})
    assert list(tmp_path.iterdir()) == []


def test_where_it_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(MediaError, match=r"file/kept\.mkv: cannot be written \("):
        keep(tmp_path / "file" / "kept.mkv", {"rgb": Made(colors(), range(4))})


def spoil(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert len(old) == len(new) and content.count(old) == 1
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"version": 1', b'"version": 9', "version: Input should be 1"),
        (b'"is_timed"', b'"is_tamed"', "Extra inputs are not permitted"),
        (b'"start_ms": 0', b'"start_ms": X', "Invalid JSON"),
        (b'"unit_mm": 1.0', b'"unit_mm": NaN', "NaN"),
    ],
)
def test_what_is_attached_and_cannot_be_read_is_told(tmp_path: Path, old: bytes, new: bytes, reason: str) -> None:
    frames = depths()
    keep(tmp_path / "kept.mkv", {"depth": Made(frames, range(4), unit_mm=1.0)})
    spoil(tmp_path / "kept.mkv", old, new)
    (stream,) = open_streams(tmp_path / "kept.mkv")
    assert stream.camera == StreamCamera() and stream.unit_mm is None
    (note,) = stream.notes
    assert "attached" in note and (reason in note or reason == "NaN")
    assert is_same(stream, frames)


LENS = Intrinsics((64, 48), 50.0, 51.0, 32.0, 24.0)


@pytest.mark.parametrize(("old", "new"), [(b'"fx": 50.0', b'"fx": -1.0'), (b'"unit_mm": 1.0', b'"unit_mm": 0.0')])
def test_numbers_that_cannot_be_say_nothing(tmp_path: Path, old: bytes, new: bytes) -> None:
    keep(tmp_path / "kept.mkv", {"depth": Made(depths(), range(4), unit_mm=1.0, camera=StreamCamera(LENS))})
    spoil(tmp_path / "kept.mkv", old, new)
    (stream,) = open_streams(tmp_path / "kept.mkv")
    assert (stream.camera.intrinsics is None) == (old.startswith(b'"fx"'))
    assert (stream.unit_mm is None) == (old.startswith(b'"unit'))


def test_what_is_attached_can_be_read_without_us(tmp_path: Path) -> None:
    keep(tmp_path / "kept.mkv", {"depth": Made(depths(), range(4), unit_mm=0.1, camera=StreamCamera(LENS))})
    assert attached(tmp_path / "kept.mkv") == {
        "version": 1,
        "start_ms": 0,
        "tracks": [
            {
                "title": "DEPTH",
                "is_timed": True,
                "unit_mm": 0.1,
                "lens": {"size": [64, 48], "fx": 50, "fy": 51, "cx": 32, "cy": 24, "model": "", "distortion": []},
                "pose": None,
            }
        ],
    }


@pytest.mark.parametrize("share", [0.4, 0.8])
def test_a_file_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path, share: float) -> None:
    path, frames = tmp_path / "kept.mkv", depths(20)
    keep(path, {"rgb": Made(colors(20), range(20)), "depth": Made(frames, range(20), camera=StreamCamera(LENS))})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DamagedError, match=r"of the 20\.00 s that its header promises"):
        frames_of(open_stream(path, "depth"))
    depth = open_stream(path, "depth", Limits(on_damage="skip"))
    read = frames_of(depth)
    assert 20 * share - 2 <= len(read) <= 20 * share and all(map(np.array_equal, read, frames[: len(read)]))
    assert depth.camera.intrinsics == LENS and depth.damage


def test_a_frame_that_is_damaged_spoils_no_other(tmp_path: Path) -> None:
    path, frames = tmp_path / "kept.mkv", depths(9)
    keep(path, {"depth": Made(frames, range(9))})
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux() if packet.size]
        assert len(packets) == 9 and all(packet.is_keyframe for packet in packets)
        middle, size = packets[4].pos, packets[4].size
    content = bytearray(path.read_bytes())
    content[(middle or 0) + size // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DamagedError, match="is damaged at frame 5"):
        frames_of(open_stream(path, "depth"))
    stream = open_stream(path, "depth", Limits(on_damage="report"))
    is_whole = [np.array_equal(frame, other) for frame, other in zip(frames_of(stream), frames, strict=True)]
    assert is_whole == [True] * 4 + [False] + [True] * 4 and stream.damage == ("1 frame is damaged",)


def test_a_frame_that_is_not_as_it_was_written_is_found(tmp_path: Path) -> None:
    path = tmp_path / "kept.mkv"
    written = keep(path, {"depth": Made(depths(), range(4))})
    content = bytearray(path.read_bytes())
    content[-3000] ^= 1  # in the last frame, before the index
    path.write_bytes(content)
    with pytest.raises(MediaError):
        check_matroska(path, written, lambda _: None)


def test_what_is_said_otherwise_is_found(tmp_path: Path) -> None:
    path = tmp_path / "kept.mkv"
    for changed in ({"times_s": (0, 1, 2, 4)}, {"unit_mm": 2.0}, {"camera": StreamCamera(LENS)}):
        written = keep(path, {"depth": Made(frames := depths(), range(4), unit_mm=1.0)})
        other = {"times_s": range(4), "unit_mm": 1.0} | changed
        write_matroska(path, {"depth": Made(frames, **other)}, {}, lambda _: None)
        with pytest.raises(MediaError, match="says other things of DEPTH"):
            check_matroska(path, written, lambda _: None)


def test_a_bag_s_own_topics_are_told_apart_as_before(tmp_path: Path) -> None:
    """Titles decide nothing where none is COLOR or DEPTH."""
    topics = camera() | {"/other/image_raw": [image("rgb8", COLOR[0], COLOR_NS[0])]}
    with pytest.raises(MediaError, match="has several tracks of colour"):
        open_stream(write_bag(tmp_path, "bag", topics), "rgb")
