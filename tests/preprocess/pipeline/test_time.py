"""Colour and depth of one moment end up beside each other, whatever the rates, the starts and the gaps of the files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rgbd.dataset.layouts import CUSTOM
from rgbd.recording.formats import open_stream
from rgbd.recording.stills.images import read_image, write_image
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame
from tests.support.custom_runs import run, write_csv
from tests.support.ntu_recordings import body_at, scene
from tests.support.processed import records
from tests.support.uploads import timed_video

WHOLE = ("--masks", "none", "--roi", "whole")
Times = Sequence[float] | np.ndarray


def color_at(times_s: Times) -> list[tuple[float, Frame]]:
    """Return frames whose brightness says when they were taken, in hundredths of a second."""
    return [(time_s, np.full((48, 64, 3), round(100 * time_s), np.uint8)) for time_s in times_s]


def depth_at(times_s: Times) -> list[tuple[float, Frame]]:
    """Return frames whose distance beyond a metre says when they were taken, in milliseconds."""
    return [(time_s, np.full((48, 64), 1000 + round(1000 * time_s), np.uint16)) for time_s in times_s]


def even(num_frames: int, fps: float, start_s: float = 0.0) -> np.ndarray:
    return start_s + np.arange(num_frames) / fps


def processed(folder: Path, *options: str, **row: Any) -> dict[str, Any]:
    """Process the one recording of a manifest and return its record."""
    manifest = write_csv(folder / "m.csv", {"clip": "a", "class": "wave", "split": "train"} | row)
    assert run(manifest, folder / "data", *options) == 0
    return records(folder / "data")["a"]


def written(folder: Path, record: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return when the written frames of colour and of depth were taken, in seconds."""
    times_s = []
    for stream in ("rgb", "depth"):
        frames = sorted((folder / "data" / stream / "a").iterdir())
        assert len(frames) == record["num_frames"]
        times_s.append(np.array([np.mean(read_image(frame)) for frame in frames]))
    return times_s[0] / 100, (times_s[1] - 1000) / 1000


def two_files(folder: Path, color_s: Times, depth_s: Times) -> dict[str, str]:
    timed_video(folder / "rgb.mkv", color_at(color_s))
    timed_video(folder / "depth.mkv", depth_at(depth_s))
    return {"rgb": "rgb.mkv", "depth": "depth.mkv"}


def two_tracks(folder: Path, color_s: Times, depth_s: Times) -> dict[str, str]:
    timed_video(folder / "both.mkv", color_at(color_s), depth_at(depth_s))
    return {"rgb": "both.mkv", "depth": "both.mkv"}


def video_with_empty_packets(path: Path, frames: Sequence[tuple[float, Frame]], num_empty: int) -> None:
    """Write MPEG-4 video that ends with packets which say that there is no new frame, as some encoders pad with."""
    not_coded = bytes((0, 0, 1, 0xB6, 0b01010000, 0b11001111))
    with av.open(str(path), "w") as container:
        track = container.add_stream("mpeg4", rate=30)
        track.width, track.height, track.pix_fmt, track.bit_rate = 64, 48, "yuv420p", 2_000_000
        packets = [p for _, frame in frames for p in track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24"))]
        packets += track.encode()
        container.mux(packets)
        for index in range(num_empty):
            packet = av.Packet(not_coded)
            packet.stream, packet.time_base = track, packets[-1].time_base
            packet.pts = packet.dts = packets[-1].pts + 1 + index
            container.mux(packet)


def nearest(times_s: np.ndarray, of_s: np.ndarray) -> np.ndarray:
    return of_s[np.abs(times_s[:, None] - of_s).argmin(axis=1)]


@pytest.mark.parametrize("write", [two_files, two_tracks])
@pytest.mark.parametrize(("color_fps", "depth_fps"), [(30, 15), (15, 30), (30, 25), (24, 60)])
def test_two_rates(tmp_path: Path, write: Any, color_fps: int, depth_fps: int) -> None:
    color_s, depth_s = even(2 * color_fps, color_fps), even(2 * depth_fps, depth_fps)
    record = processed(tmp_path, *WHOLE, **write(tmp_path, color_s, depth_s))
    assert (record["aligned_by"], record["num_frames"]) == ("time", len(color_s))
    assert (record["rgb_frames_in"], record["depth_frames_in"]) == (len(color_s), len(depth_s))
    assert record["duration_s"] == pytest.approx(2, abs=0.01)
    color, depth = written(tmp_path, record)
    np.testing.assert_allclose(color, color_s, atol=0.016)
    np.testing.assert_allclose(np.abs(depth - color_s), np.abs(nearest(color_s, depth_s) - color_s), atol=0.002)
    unused = len(depth_s) - len(np.unique(depth))
    said = f"{len(color_s)} colour frames and {len(depth_s)} of depth were paired by time; 0 of colour and {unused} of"
    assert len(record["warnings"]) == 1 and record["warnings"][0].startswith(said)


@pytest.mark.parametrize("late", ["depth", "rgb"])
def test_a_stream_that_begins_later(tmp_path: Path, late: str) -> None:
    starts = (0.0, 0.5) if late == "depth" else (0.5, 0.0)
    color_s, depth_s = (even(60, 30, start_s) for start_s in starts)
    record = processed(tmp_path, *WHOLE, **two_tracks(tmp_path, color_s, depth_s))
    assert (record["aligned_by"], record["num_frames"]) == ("time", 45)
    color, depth = written(tmp_path, record)
    np.testing.assert_allclose(color, depth, atol=0.016)
    assert color[0] == pytest.approx(0.5, abs=0.016)
    assert f"depth begins 0.50 s {'after' if late == 'depth' else 'before'} colour" in record["warnings"]


def test_two_files_begin_together_and_say_where_their_clocks_differ(tmp_path: Path) -> None:
    record = processed(tmp_path, *WHOLE, **two_files(tmp_path, even(60, 30), even(60, 30, 0.5)))
    color, depth = written(tmp_path, record)
    np.testing.assert_allclose(color, depth - 0.5, atol=0.016)
    (warning,) = record["warnings"]
    assert warning.startswith(
        "depth begins 0.50 s after colour by the times in the two files, which were taken to begin"
    )


@pytest.mark.parametrize("depth_fps", [30, 15])
def test_a_video_that_promises_more_frames_than_it_shows(tmp_path: Path, depth_fps: int) -> None:
    video_with_empty_packets(tmp_path / "rgb.mkv", color_at(even(60, 30)), 12)
    timed_video(tmp_path / "depth.mkv", depth_at(even(2 * depth_fps, depth_fps)))
    assert open_stream(tmp_path / "rgb.mkv", "rgb").num_frames == 72
    record = processed(tmp_path, *WHOLE, rgb="rgb.mkv", depth="depth.mkv")
    assert record["aligned_by"] == "time" and record["num_frames"] in (60, 61)  # FFmpeg may show the last one twice
    assert record["rgb_frames_in"] < 72
    color, depth = written(tmp_path, record)
    np.testing.assert_allclose(color, depth, atol=0.06)


@pytest.mark.parametrize("write", [two_files, two_tracks])
def test_dropped_frames_do_not_shift_what_follows(tmp_path: Path, write: Any) -> None:
    all_s = even(60, 30)
    color_s, depth_s = np.delete(all_s, [40, 41, 42]), np.delete(all_s, np.arange(10, 16))
    record = processed(tmp_path, *WHOLE, **write(tmp_path, color_s, depth_s))
    assert (record["aligned_by"], record["num_frames"]) == ("time", 57)
    color, depth = written(tmp_path, record)
    np.testing.assert_allclose(color, color_s, atol=0.016)
    np.testing.assert_allclose(np.abs(depth - color_s), np.abs(nearest(color_s, depth_s) - color_s), atol=0.002)
    assert "colour frames and the depth frames nearest to them lie up to 0.10 s apart" in record["warnings"]


def test_a_variable_rate(tmp_path: Path) -> None:
    color_s = np.cumsum([0, *np.random.default_rng(0).uniform(0.02, 0.09, 30)]).round(3)
    depth_s = even(60, 30)[: int(color_s[-1] * 30) + 2]
    record = processed(tmp_path, *WHOLE, **two_files(tmp_path, color_s, depth_s))
    assert (record["aligned_by"], record["num_frames"]) == ("time", 31)
    color, depth = written(tmp_path, record)
    np.testing.assert_allclose(color, color_s, atol=0.016)
    np.testing.assert_allclose(depth, nearest(color_s, depth_s), atol=0.002)


def test_streams_in_step_are_paired_by_number(tmp_path: Path) -> None:
    # Nearer in time to colour's fourth frame is depth's third: but within half an interval, numbers say it better.
    color_s = np.array([0, 0.033, 0.067, 0.085, 0.133, 0.167, 0.2])
    depth_s = np.array([0, 0.04, 0.083, 0.1, 0.14, 0.17])
    record = processed(tmp_path, *WHOLE, **two_files(tmp_path, color_s, depth_s))
    color, depth = written(tmp_path, record)
    np.testing.assert_allclose(color, color_s[:6], atol=0.016)
    np.testing.assert_allclose(depth, depth_s, atol=0.002)
    assert record["aligned_by"] == "time"
    assert record["warnings"] == ["7 colour frames but 6 of depth; the first 6 were kept"]


def test_streams_that_share_no_time_are_refused(tmp_path: Path) -> None:
    row = {"clip": "a", "class": "wave", "split": "train"} | two_tracks(tmp_path, even(10, 30), even(10, 30, 9.0))
    assert run(write_csv(tmp_path / "m.csv", row), tmp_path / "data", *WHOLE) == 1
    assert "both.mkv: rgb and depth share no time" in records(tmp_path / "data")["a"]["reason"]


def as_folder(folder: Path, frames: Sequence[tuple[float, Frame]], suffix: str) -> str:
    folder.mkdir()
    for index, (_, frame) in enumerate(frames):
        write_image(folder / f"{index}{suffix}", frame)
    return folder.name


def test_images_know_no_times_unless_the_manifest_says_their_rate(tmp_path: Path) -> None:
    color_s, depth_s = even(60, 30), even(30, 15)
    row = {
        "rgb": as_folder(tmp_path / "color", color_at(color_s), ".jpg"),
        "depth": as_folder(tmp_path / "far", depth_at(depth_s), ".png"),
    }
    record = processed(tmp_path, *WHOLE, **row)
    assert (record["aligned_by"], record["num_frames"]) == ("index", 30)
    assert record["warnings"] == ["60 colour frames but 30 of depth; the first 30 were kept"]
    record = processed(tmp_path, *WHOLE, "--overwrite", **row, fps=30, depth_fps=15)
    assert (record["aligned_by"], record["num_frames"]) == ("time", 60)
    color, depth = written(tmp_path, record)
    assert np.abs(color - depth).max() < 0.05


def test_times_of_one_stream_alone_are_of_no_use_and_that_is_said(tmp_path: Path) -> None:
    timed_video(tmp_path / "rgb.mkv", color_at(even(20, 30)))
    row = {"rgb": "rgb.mkv", "depth": as_folder(tmp_path / "far", depth_at(even(10, 15)), ".png")}
    record = processed(tmp_path, *WHOLE, **row)
    assert (record["aligned_by"], record["num_frames"]) == ("index", 10)
    assert record["warnings"] == [
        "20 colour frames but 10 of depth; the first 10 were kept",
        "depth knows no times, unlike the other stream: frames of the same number were taken together",
    ]
    record = processed(tmp_path, *WHOLE, "--overwrite", **row, fps=15)  # the video is believed
    assert (record["aligned_by"], record["num_frames"]) == ("time", 20)


def walk(num_frames: int, fps: float) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Return (time, depth, colour) of somebody who walks to the right, 80 cm a second."""
    found = []
    for index in range(num_frames):
        depth, person = scene((body_at(-0.8 + 0.8 * index / fps),), 2)
        color = np.where(person[:, :, None], 220, 60).repeat(3, 2).astype(np.uint8)
        found.append((index / fps, depth, color))
    return found


def middle_of(mask: np.ndarray) -> float:
    return float(np.nonzero(mask)[1].mean())


@pytest.mark.parametrize("roi", ["clip", "tracked", "legacy"])
@pytest.mark.parametrize(("color_step", "depth_step"), [(1, 2), (2, 1)])
def test_boxes_and_masks_are_those_of_the_moment(tmp_path: Path, roi: str, color_step: int, depth_step: int) -> None:
    frames = walk(60, 30)
    timed_video(tmp_path / "rgb.mkv", [(time_s, color) for time_s, _, color in frames[::color_step]])
    timed_video(tmp_path / "depth.mkv", [(time_s, depth) for time_s, depth, _ in frames[::depth_step]])
    record = processed(tmp_path, "--roi", roi, rgb="rgb.mkv", depth="depth.mkv")
    assert (record["num_frames"], record["empty_masks"]) == (60 // color_step, 0)
    for index in range(record["num_frames"]):
        color, depth = (
            read_image(CUSTOM.frame_path(tmp_path / "data", stream, "a", index)) for stream in ("rgb", "depth")
        )
        person = middle_of(color[:, :, 0] > 140)
        if roi == "legacy":  # depth is left whole; colour is a window around the person, as far as the frame allows
            assert abs(person - 160) < 25 or index * color_step < 15
        else:
            assert abs(person - middle_of(depth > 0)) < 12


def test_people_of_moments_that_are_left_out_do_not_widen_the_box(tmp_path: Path) -> None:
    frames = walk(60, 30)
    late = frames[40:]
    timed_video(tmp_path / "both.mkv", [(t, c) for t, _, c in late], [(t, d) for t, d, _ in frames])
    timed_video(tmp_path / "late.mkv", [(t, c) for t, _, c in late], [(t, d) for t, d, _ in late])
    x0, _, x1, _ = processed(tmp_path, rgb="both.mkv", depth="both.mkv")["box_color_px"]
    (tmp_path / "other").mkdir()
    row = {"rgb": "../late.mkv", "depth": "../late.mkv"}
    expected_x0, _, expected_x1, _ = processed(tmp_path / "other", **row)["box_color_px"]
    assert abs(x0 - expected_x0) < 8 and abs(x1 - expected_x1) < 8


def test_a_video_gives_what_its_frames_give_as_images(tmp_path: Path) -> None:
    """Streams in step are written exactly as those that know no times."""
    frames = walk(30, 30)
    write_video(tmp_path / "rgb.avi", [color for _, _, color in frames])
    write_video(tmp_path / "depth.mkv", [depth for _, depth, _ in frames[:28]])
    images = as_folder(tmp_path / "far", [(t, depth) for t, depth, _ in frames[:28]], ".png")
    rows = [
        {"clip": clip, "rgb": "rgb.avi", "depth": depth, "class": "walk", "split": "train"}
        for clip, depth in (("a", "depth.mkv"), ("b", images))
    ]
    out = tmp_path / "data"
    assert run(write_csv(tmp_path / "m.csv", *rows), out, "--roi", "tracked") == 0
    assert [records(out)[clip]["aligned_by"] for clip in "ab"] == ["time", "index"]
    for stream in ("rgb", "depth"):
        timed, untimed = (sorted((out / stream / clip).iterdir()) for clip in "ab")
        assert len(timed) == 28
        assert [path.read_bytes() for path in timed] == [path.read_bytes() for path in untimed]
