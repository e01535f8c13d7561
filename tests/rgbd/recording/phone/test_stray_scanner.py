"""Recordings of Stray Scanner, a folder or a zip of one, as the app writes them."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
from PIL import Image

from rgbd.camera.calibration import IDENTITY, Intrinsics
from rgbd.errors import DamagedError, MediaError, TooLargeError, UserError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import frame_of
from tests.support.videos import encode

NUM_FRAMES = 12
DEPTH = np.random.default_rng(0).integers(200, 5000, (NUM_FRAMES, 48, 64), np.uint16)
COLOR = [np.full((144, 192, 3), (10 + 15 * index, 60, 40), np.uint8) for index in range(NUM_FRAMES)]
STAMPS = [170340.4725 + index / 60 + 0.001 * (index % 2) for index in range(NUM_FRAMES)]
OLD = "timestamp, frame, x, y, z, qx, qy, qz, qw"
NEW = f"{OLD}, fx, fy, cx, cy, distortion_center_x, distortion_center_y"


def odometry(header: str = OLD, lens: str = "", num_rows: int = NUM_FRAMES) -> str:
    rows = [f"{STAMPS[index]}, {index:06d}, 0.1, 0.2, 0.3, 0, 0, 0, 1{lens}" for index in range(num_rows)]
    return "\n".join([header, *rows, ""])


def folder(path: Path, *, turn_deg: int = 0, codec: str = "libx265") -> Path:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    encode(path / "rgb.mp4", codec, "yuv420p", COLOR, turn_deg=turn_deg, **options)
    (path / "depth").mkdir()
    (path / "confidence").mkdir()
    for index, frame in enumerate(DEPTH):
        Image.fromarray(frame).save(path / "depth" / f"{index:06d}.png")
        Image.fromarray(np.full((48, 64), 2, np.uint8)).save(path / "confidence" / f"{index:06d}.png")
    (path / "camera_matrix.csv").write_text("160.0, 0.0, 95.5\n0.0, 161.0, 71.5\n0.0, 0.0, 1.0")
    (path / "odometry.csv").write_text(odometry())
    (path / "imu.csv").write_text("timestamp, a_x, a_y, a_z, alpha_x, alpha_y, alpha_z\n")
    return path


def zipped(path: Path, packing: int = zipfile.ZIP_STORED, top: str = "4e41d0a7da") -> Path:
    target = path.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", packing) as archive:
        for file in sorted(path.rglob("*")):
            archive.write(file, Path(top) / file.relative_to(path))
        archive.writestr(f"__MACOSX/{top}/._rgb.mp4", b"left behind by an archiver")
    return target


PACKINGS: dict[str, Callable[[Path], Path]] = {
    "folder": lambda path: path,
    "zip": zipped,
    "zip without a top folder": lambda path: zipped(path, top=""),
    "deflated zip": lambda path: zipped(path, zipfile.ZIP_DEFLATED),
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_colour_and_depth_are_read_with_their_times(tmp_path: Path, packing: str) -> None:
    color, depth = open_streams(PACKINGS[packing](folder(tmp_path / "scan")), Limits(any_container=False))
    assert (color.is_depth, color.size, color.num_frames) == (False, (192, 144), NUM_FRAMES)
    assert (depth.is_depth, depth.size, depth.num_frames, depth.unit_mm) == (True, (64, 48), NUM_FRAMES, 1.0)
    for stream in (color, depth):
        assert stream.times_s == pytest.approx([stamp - STAMPS[0] for stamp in STAMPS])
        assert not stream.damage and not stream.notes
    reds = [int(frame_of(picture)[0, 0, 0]) for picture in color.read()]
    assert reds == pytest.approx([10 + 15 * index for index in range(NUM_FRAMES)], abs=4)
    assert [int(frame_of(picture)[0, 0, 0]) for picture in color.read([3, 11])] == [reds[3], reds[11]]
    for frame, expected in zip(depth.read(), DEPTH, strict=True):
        np.testing.assert_array_equal(frame_of(frame), expected)


@pytest.mark.parametrize("packing", ["folder", "zip"])
def test_both_are_seen_through_one_lens(tmp_path: Path, packing: str) -> None:
    color, depth = open_streams(PACKINGS[packing](folder(tmp_path / "scan")))
    assert color.camera.intrinsics == Intrinsics((192, 144), 160.0, 161.0, 95.5, 71.5)
    lens = depth.camera.intrinsics
    assert lens is not None and lens.size == (64, 48)
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == pytest.approx((160 / 3, 161 / 3, 31.5, 23.5))
    assert depth.camera.pose_to(color.camera) == IDENTITY


def test_a_newer_table_has_the_lens_of_each_frame(tmp_path: Path) -> None:
    path = folder(tmp_path / "scan")
    (path / "odometry.csv").write_text(odometry(NEW, ", 170.5, 171.5, 95.0, 71.0, , "))
    assert open_stream(path, "rgb").camera.intrinsics == Intrinsics((192, 144), 170.5, 171.5, 95.0, 71.0)


def test_what_stands_in_no_table_is_not_known(tmp_path: Path) -> None:
    path = folder(tmp_path / "scan")
    (path / "odometry.csv").unlink()
    (path / "camera_matrix.csv").write_text("1, 2\n3, 4\n")
    color, depth = open_streams(path)
    assert color.camera.intrinsics is None and depth.camera.pose_to(color.camera) == IDENTITY
    assert depth.times_s == color.times_s == pytest.approx([index / 30 for index in range(NUM_FRAMES)])


def test_a_table_that_does_not_fit_the_video_leaves_it_its_own_times(tmp_path: Path) -> None:
    path = folder(tmp_path / "scan")
    (path / "odometry.csv").write_text(odometry(num_rows=NUM_FRAMES - 1))
    color, depth = open_streams(path)
    assert color.times_s == pytest.approx([index / 30 for index in range(NUM_FRAMES)])
    assert "has 12 frames, and odometry.csv 11" in color.notes[0]
    assert depth.times_s is None and depth.fps == 30 and "does not say when" in depth.notes[0]


def test_a_frame_of_depth_that_is_missing_is_told_and_the_others_keep_their_times(tmp_path: Path) -> None:
    path = folder(tmp_path / "scan")
    (path / "depth" / "000005.png").unlink()
    with pytest.raises(DamagedError, match="lacks frame number 5, of 0 to 11"):
        list(open_stream(path, "depth").read())
    depth = open_stream(zipped(path), "depth", Limits(on_damage="report"))
    assert depth.times_s == pytest.approx([stamp - STAMPS[0] for stamp in STAMPS if stamp != STAMPS[5]])


def test_a_video_of_which_a_part_was_not_written_leaves_depth(tmp_path: Path) -> None:
    path = folder(tmp_path / "scan")
    data = (path / "rgb.mp4").read_bytes()
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    start += (end - start) // 2
    (path / "rgb.mp4").write_bytes(data[:start] + bytes(end - start) + data[end:])
    for packed in (path, zipped(path)):
        with pytest.raises(UserError):
            list(open_stream(packed, "rgb").read())
        color, depth = open_streams(packed, Limits(on_damage="skip"))
        assert len(list(color.read())) < NUM_FRAMES or color.damage
        assert len(list(depth.read())) == NUM_FRAMES


def test_colour_that_is_turned_to_be_shown_does_not_lie_on_depth(tmp_path: Path) -> None:
    color, depth = open_streams(folder(tmp_path / "scan", turn_deg=90, codec="libx264"))
    assert color.size == (144, 192) and depth.camera.pose_to(color.camera) is None
    assert "depth lies otherwise" in color.notes[0]
    lens = depth.camera.intrinsics
    assert lens is not None and (lens.fx, lens.cx) == pytest.approx((160 / 3, 31.5))


@pytest.mark.parametrize("packing", ["folder", "zip"])
@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("rgb.mp4", b"#EXTM3U\n/etc/passwd", "is no mp4 video"),
        ("depth/000000.png", b"no picture", "not a readable JPEG or PNG"),
        ("odometry.csv", b"1," * (17 << 20), "has 34 MiB, far more than a recording"),
    ],
)
def test_what_is_damaged_is_refused(tmp_path: Path, packing: str, name: str, data: bytes, message: str) -> None:
    path = folder(tmp_path / "scan")
    (path / name).write_bytes(data)
    with pytest.raises(MediaError, match=message):
        open_streams(PACKINGS[packing](path))


def test_limits_hold(tmp_path: Path) -> None:
    for path in (folder(tmp_path / "scan"), zipped(tmp_path / "scan")):
        with pytest.raises(TooLargeError, match="more than 11 frames"):
            list(open_stream(path, "rgb", Limits(max_frames=11)).read())
        with pytest.raises(TooLargeError, match="192x144"):
            list(open_stream(path, "rgb", Limits(max_pixels=192 * 143)).read())


def test_a_video_that_unpacks_to_very_much_is_not_unpacked(tmp_path: Path) -> None:
    path = folder(tmp_path / "scan")
    with (path / "rgb.mp4").open("ab") as file:
        file.write(bytes(64 << 20))
    with pytest.raises(TooLargeError, match=r"rgb\.mp4 unpacks to 64 MiB, far more than a video does"):
        open_streams(zipped(path, zipfile.ZIP_DEFLATED))


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    path = zipped(folder(tmp_path / "scan"), zipfile.ZIP_DEFLATED)
    before = len(list(Path("/proc/self/fd").iterdir()))
    streams = open_streams(path)
    assert not list(scratch.iterdir())
    assert len(list(streams[0].read())) == NUM_FRAMES
    del streams
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_of_frames_beside_a_video_of_another_name_is_no_such_recording(tmp_path: Path) -> None:
    path = folder(tmp_path / "scan")
    (path / "rgb.mp4").rename(path / "other.mp4")
    with pytest.raises(MediaError, match="holds no JPEG"):
        open_streams(path)
    with pytest.raises(MediaError, match=r"the zip archive holds"):
        open_streams(zipped(path))


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_any_damage_is_refused_or_leaves_frames(tmp_path: Path, packing: int) -> None:
    path, chance = zipped(folder(tmp_path / "scan"), packing), Random(packing)
    whole, limits = path.read_bytes(), Limits(100, 1 << 20, any_container=False, on_damage="report")
    for _ in range(80):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 4, 40])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)
        try:
            for stream in open_streams(path, limits):
                for picture in stream.read():
                    frame_of(picture)
        except UserError as error:
            assert "scan" in str(error) or "4e41d0a7da" in str(error) or "frames" in str(error)


def test_the_codec_of_the_test_is_the_app_s(tmp_path: Path) -> None:
    with av.open(str(folder(tmp_path / "scan") / "rgb.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "hevc"
