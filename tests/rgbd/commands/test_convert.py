"""`python -m rgbd convert`: any recording as one file that keeps everything, or a reason, and nothing half done."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.azure_kinect import calibration, write_azure_kinect
from benchmarks.support.ros_bags import COLOR as ROS_COLOR
from benchmarks.support.ros_bags import COLOR_NS, image, write_bag
from benchmarks.support.ros_bags import DEPTH as ROS_DEPTH
from benchmarks.support.ros_bags import camera as ros_camera
from rgbd.__main__ import main
from rgbd.errors import MediaError, UserError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.stills.images import write_image
from rgbd.recording.streams import StreamReader, frame_of
from rgbd.recording.tracks import choose_tracks
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame, Stream
from tests.support.commands import assert_refused, run_module
from tests.support.real import real_recordings
from tests.support.videos import NUM_FRAMES, encode, moving, xvid
from tests.support.waiting import wait_until

RANDOM = np.random.default_rng(0)
DEPTH: list[Frame] = list(RANDOM.integers(0, 1 << 16, (6, 288, 320), np.uint16))
COLOR: list[Frame] = list(RANDOM.integers(0, 256, (6, 48, 64, 3), np.uint8))


Converted = Callable[..., str]


@pytest.fixture
def converted(capsys: pytest.CaptureFixture[str]) -> Converted:
    """A function that converts in this process, and returns what was said on both outputs."""

    def convert(*words: object) -> str:
        capsys.readouterr()
        assert main(["convert", *map(str, words)]) == 0
        out, err = capsys.readouterr()
        assert "read back and equal" in out
        return out + err

    return convert


def frames_of(stream: StreamReader) -> list[Frame]:
    return [frame_of(picture) for picture in stream.read()]


def assert_equal(read: StreamReader, source: StreamReader) -> None:
    """Check that two streams say and show the same, but for times of less than a millisecond."""
    assert (read.size, read.is_depth, read.unit_mm) == (source.size, source.is_depth, source.unit_mm)
    assert read.camera == source.camera
    frames, others = frames_of(read), frames_of(source)
    assert len(frames) == len(others) and all(map(np.array_equal, frames, others))
    assert (read.times_s is None) == (source.times_s is None)
    assert read.times_s == pytest.approx(source.times_s, abs=0.00051)


def streams_of(path: Path) -> dict[Stream, StreamReader]:
    return choose_tracks(open_streams(path), ["rgb", "depth"], {})


def as_folder(folder: Path, frames: Sequence[Frame], suffix: str = ".png") -> Path:
    folder.mkdir(parents=True)
    for index, frame in enumerate(frames):
        write_image(folder / f"{index}{suffix}", frame)
    return folder


def test_an_azure_kinect_file(tmp_path: Path, converted: Converted) -> None:
    source = tmp_path / "camera.mkv"
    write_azure_kinect(source, {"COLOR": [np.zeros((720, 1280, 3), np.uint8)] * 6, "DEPTH": DEPTH}, calibration())
    result = run_module("rgbd", "convert", source, tmp_path / "out" / "kept.mkv")
    assert result.returncode == 0, result.stderr
    said = result.stdout + result.stderr
    for stream, reader in streams_of(tmp_path / "out" / "kept.mkv").items():
        assert_equal(reader, streams_of(source)[stream])
    assert "COLOR: 6 frames of 1280x720, 0.000 to 0.167 s, lens known, place known" in said
    assert "DEPTH: 6 frames of 320x288, 0.000 to 0.167 s, 1 mm a unit, lens known, place known" in said
    assert "warning" not in said
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["camera.mkv", "kept.mkv", "out"]
    again = converted(tmp_path / "out" / "kept.mkv", tmp_path / "again.mkv")
    assert "DEPTH: 6 frames of 320x288, 0.000 to 0.167 s, 1 mm a unit, lens known, place known" in again


def test_a_bag_and_what_is_left_out_of_it(tmp_path: Path, converted: Converted) -> None:
    topics = ros_camera() | {"/other/image_raw": [image("rgb8", ROS_COLOR[0], COLOR_NS[0])]}
    source = write_bag(tmp_path, "bag", topics)
    with pytest.raises(MediaError, match=r"several tracks of colour: .*/other/image_raw"):
        converted(source, tmp_path / "kept.mkv")
    said = converted(source, tmp_path / "kept.mkv", "--rgb-track", "/camera/color/image_raw")
    assert "left out: /other/image_raw (colour, 64x48, 1 frames)" in said
    kept = streams_of(tmp_path / "kept.mkv")
    assert all(map(np.array_equal, frames_of(kept["rgb"]), ROS_COLOR))
    assert all(map(np.array_equal, frames_of(kept["depth"]), ROS_DEPTH))
    assert kept["rgb"].times_s == pytest.approx([0.005 + 0.033 * number for number in range(7)], abs=1e-9)


def test_another_camera_s_colour_is_not_taken_for_depth(tmp_path: Path, converted: Converted) -> None:
    topics = {f"/{side}/image_raw": [image("rgb8", ROS_COLOR[0], COLOR_NS[0])] for side in ("left", "right")}
    source = write_bag(tmp_path, "mcap", topics)
    said = converted(source, tmp_path / "kept.mkv", "--rgb-track", "/left/image_raw")
    assert "left out: /right/image_raw" in said
    assert [stream.track for stream in open_streams(tmp_path / "kept.mkv")] == ["COLOR"]


def test_two_files_and_rates_that_are_told(tmp_path: Path, converted: Converted) -> None:
    rgb, depth = as_folder(tmp_path / "rgb", COLOR), as_folder(tmp_path / "depth", DEPTH)
    said = converted("--rgb", rgb, tmp_path / "kept.mkv", "--depth", depth)
    assert "COLOR: nobody knows when its frames were taken" in said and "times not known" in said
    for stream, reader in streams_of(tmp_path / "kept.mkv").items():
        assert_equal(reader, open_stream({"rgb": rgb, "depth": depth}[stream], stream))
    words = ("--rgb", rgb, "--depth", depth, "--fps", "25", "--depth-fps", "10", "--overwrite", tmp_path / "kept.mkv")
    assert "warning" not in converted(*words)
    kept = streams_of(tmp_path / "kept.mkv")
    assert kept["rgb"].times_s == pytest.approx([index / 25 for index in range(6)])
    assert kept["depth"].times_s == pytest.approx([index / 10 for index in range(6)])
    said = converted(tmp_path / "kept.mkv", "--fps", "5", tmp_path / "again.mkv")
    assert "the recording knows its times, which were kept" in said
    assert streams_of(tmp_path / "again.mkv")["rgb"].times_s == kept["rgb"].times_s


def test_depth_as_8_bit_images_stays_what_it_is(tmp_path: Path, converted: Converted) -> None:
    rgb = as_folder(tmp_path / "rgb", COLOR, ".jpg")
    depth = as_folder(tmp_path / "depth", COLOR[::-1], ".jpg")
    converted("--rgb", rgb, "--depth", depth, tmp_path / "kept.mkv")
    kept = streams_of(tmp_path / "kept.mkv")
    assert_equal(kept["rgb"], open_stream(rgb, "rgb"))
    assert_equal(kept["depth"], open_stream(depth, "depth"))


def test_a_video_of_colour_alone(tmp_path: Path, converted: Converted) -> None:
    write_video(tmp_path / "clip.mp4", COLOR)
    converted(tmp_path / "clip.mp4", tmp_path / "kept.mkv")
    (kept,) = open_streams(tmp_path / "kept.mkv")
    assert kept.track == "COLOR"
    assert_equal(kept, open_stream(tmp_path / "clip.mp4", "rgb"))


def test_a_video_that_promises_more_frames_than_it_shows(tmp_path: Path, converted: Converted) -> None:
    """An edit list leaves out the first ten, which is known when they were decoded: it is written a second time."""
    source = tmp_path / "trimmed.mp4"
    encode(source, "libx264", "yuv420p", [*moving(), *moving(10)], times=range(-10, NUM_FRAMES), bf="2")
    assert open_streams(source)[0].num_frames == NUM_FRAMES + 10
    converted(source, tmp_path / "kept.mkv")
    (kept,) = open_streams(tmp_path / "kept.mkv")
    assert kept.num_frames == len(frames_of(kept)) == NUM_FRAMES
    assert kept.times_s == pytest.approx([index / 30 for index in range(NUM_FRAMES)], abs=0.00051)


def test_a_recording_that_was_cut(tmp_path: Path, converted: Converted) -> None:
    source = xvid(tmp_path)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    result = run_module("rgbd", "convert", source, tmp_path / "kept.mkv")
    assert_refused(result, str(source), "--accept-short")
    assert not (tmp_path / "kept.mkv").exists()
    said = converted(source, tmp_path / "kept.mkv", "--accept-short")
    assert "warning: COLOR: " in said
    (kept,) = open_streams(tmp_path / "kept.mkv")
    assert 10 < kept.num_frames < 60 and f"{kept.num_frames} frames of 160x120" in said


def test_what_cannot_be_written_is_refused_before_anything_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "clip.mkv"
    write_video(source, DEPTH)
    content = source.read_bytes()
    folder = as_folder(tmp_path / "frames", DEPTH)
    (tmp_path / "link.mkv").symlink_to(source)
    there = tmp_path / "there.mkv"
    there.write_bytes(b"somebody's")
    for words, *reasons in (
        ((source, source, "--overwrite"), "OUT.mkv", "must not be overwritten"),
        ((source, tmp_path / "link.mkv", "--overwrite"), "must not be overwritten"),
        ((folder, folder / "kept.mkv"), "must not be overwritten"),
        ((source, there), "exists already", "--overwrite"),
        ((source, tmp_path / "kept.mp4"), "kept.mp4", "let it end in .mkv"),
        ((source, tmp_path / "new.mkv", "--rgb-track", "left"), "has no track 'left'"),
        (("--depth", source, tmp_path / "new.mkv", "--rgb-track", "left"), "--rgb-track left", "no rgb is given"),
        ((tmp_path / "new.mkv",), "no recording is given"),
        ((source, tmp_path / "new.mkv", "--depth", source), "are both given"),
        ((tmp_path / "nowhere.bag", tmp_path / "new.mkv"), "nowhere.bag", "cannot be read"),
        ((source, tmp_path / "new.mkv", "--fps", "0"), "expected frames a second"),
        (("--rgb", source, tmp_path / "new.mkv"), "clip.mkv", "give it as depth"),
    ):
        with pytest.raises((UserError, SystemExit)) as refusal:
            main(["convert", *map(str, words)])
        said = f"{refusal.value} {capsys.readouterr().err}"
        assert all(reason in said for reason in reasons), said
    assert source.read_bytes() == content and there.read_bytes() == b"somebody's"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mkv", "frames", "link.mkv", "there.mkv"]
    assert len(list(folder.iterdir())) == len(DEPTH)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_stop_it_leaves_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    np.save(tmp_path / "long.npy", np.broadcast_to(DEPTH[0], (600, *DEPTH[0].shape)))
    out = tmp_path / "out"
    out.mkdir()
    command = [sys.executable, "-m", "rgbd", "convert", str(tmp_path / "long.npy"), str(out / "kept.mkv")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        wait_until(lambda: any(path.stat().st_size for path in out.iterdir()), process)
        os.killpg(process.pid, number)  # as a terminal does
        _, said = process.communicate(timeout=60)
    assert process.returncode == code and "interrupted" in said and "Traceback" not in said
    assert list(out.iterdir()) == []


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mkv", DEPTH)
    out = tmp_path / "out" / "kept.mkv"
    limited = ["bash", "-c", 'ulimit -f 200; exec "$@"', "bash", sys.executable, "-m", "rgbd", "convert"]
    result = subprocess.run([*limited, tmp_path / "clip.mkv", out], capture_output=True, text=True, check=False)
    assert_refused(result, f"{out}: cannot be written (File too large); make room")
    assert list(out.parent.iterdir()) == []


def test_help_and_a_command_that_is_not_known() -> None:
    told = run_module("rgbd", "convert", "--help")
    assert told.returncode == 0 and "OUT.mkv" in told.stdout and "130 stopped by Ctrl-C" in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert "convert" in run_module("rgbd", "--help").stdout
    for words in ([], ["convey"], ["--convert"]):
        assert_refused(run_module("rgbd", *words), "usage: python -m rgbd")


@pytest.mark.parametrize("place", ["azure_kinect.mkv", "realsense.bag"])
def test_real_recordings_of_cameras(tmp_path: Path, place: str, converted: Converted) -> None:
    source = real_recordings("cameras") / place
    converted(source, tmp_path / "kept.mkv")
    kept, streams = streams_of(tmp_path / "kept.mkv"), streams_of(source)
    assert kept.keys() == streams.keys() == {"rgb", "depth"}
    for stream in kept:
        assert_equal(kept[stream], streams[stream])
    assert kept["depth"].camera.pose_to(kept["rgb"].camera) == streams["depth"].camera.pose_to(streams["rgb"].camera)


def test_real_depth_of_matlab(tmp_path: Path, converted: Converted) -> None:
    source = real_recordings("utd_mhad") / "Depth" / "a1_s1_t1_depth.mat"
    converted(source, tmp_path / "kept.mkv", "--fps", "30")
    (kept,) = open_streams(tmp_path / "kept.mkv")
    assert all(map(np.array_equal, frames_of(kept), frames_of(open_stream(source, "depth"))))


def test_real_frames_of_nvgesture(tmp_path: Path, converted: Converted) -> None:
    folder = real_recordings("nvgesture_sample")
    rgb, depth = folder / "rgb" / "subject11_r0", folder / "depth" / "subject11_r0"
    converted("--rgb", rgb, "--depth", depth, tmp_path / "kept.mkv", "--fps", "30")
    kept = streams_of(tmp_path / "kept.mkv")
    for stream, path in (("rgb", rgb), ("depth", depth)):
        assert all(map(np.array_equal, frames_of(kept[stream]), frames_of(open_stream(path, stream))))
    assert kept["rgb"].times_s == kept["depth"].times_s
