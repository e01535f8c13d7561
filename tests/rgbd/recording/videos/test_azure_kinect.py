"""Recordings of an Azure Kinect, and of Orbbec's Femto: colour, depth and infrared, and what is attached to them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.support.azure_kinect import (
    COLOR_PARAMETERS,
    DEPTH_PARAMETERS,
    TILT,
    TRANSLATION_M,
    azure_kinect,
    calibration,
    camera,
    write_azure_kinect,
)
from rgbd.camera.calibration import Intrinsics, Pose, StreamCamera
from rgbd.errors import DamagedError, MediaError
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import NO_LIMITS, Limits
from rgbd.recording.streams import StreamReader, frame_of
from rgbd.recording.tracks import choose_tracks
from rgbd.types import Frame, Size
from tests.support.real import real_recordings

RANDOM = np.random.default_rng(0)
DEPTH: list[Frame] = [RANDOM.integers(0, 1 << 16, (288, 320), np.uint16) for _ in range(5)]
INFRARED: list[Frame] = [frame ^ np.uint16(0x5555) for frame in DEPTH]
COLOR: list[Frame] = [np.full((720, 1280, 3), 40 * index, np.uint8) for index in range(5)]
WHOLE = {"COLOR": COLOR, "DEPTH": DEPTH, "IR": INFRARED}


def written(path: Path, streams: Mapping[str, Sequence[Frame]], attached: bytes | None = None, **said: Any) -> Path:
    write_azure_kinect(path, streams, attached, **said)
    return path


def opened(path: Path, limits: Limits = NO_LIMITS) -> tuple[StreamReader, StreamReader]:
    """Return colour and depth of a file."""
    chosen = choose_tracks(open_streams(path, limits), ["rgb", "depth"], {})
    return chosen["rgb"], chosen["depth"]


def frames_of(stream: StreamReader) -> list[Frame]:
    return [frame_of(picture) for picture in stream.read()]


def lens_of(path: Path, frames: Mapping[str, Sequence[Frame]], attached: bytes) -> Intrinsics:
    """Return the lens of the only stream of a file."""
    (stream,) = open_streams(written(path, frames, attached))
    assert stream.camera.intrinsics is not None, stream.notes
    return stream.camera.intrinsics


@pytest.mark.parametrize("order", ["COLOR DEPTH IR", "IR DEPTH COLOR", "DEPTH COLOR", "DEPTH IR COLOR"])
def test_colour_and_depth_in_any_order_and_no_infrared(tmp_path: Path, order: str) -> None:
    path = written(tmp_path / "clip.mkv", {kind: WHOLE[kind] for kind in order.split()}, calibration())
    assert {stream.track for stream in open_streams(path)} == {"COLOR", "DEPTH"}
    color, depth = opened(path)
    assert (color.track, color.size, depth.track, depth.size) == ("COLOR", (1280, 720), "DEPTH", (320, 288))
    assert (depth.unit_mm, color.unit_mm, depth.notes, color.notes) == (1.0, None, (), ())
    assert all(map(np.array_equal, frames_of(depth), DEPTH)) and depth.num_frames == 5
    assert [int(frame.mean()) for frame in frames_of(color)] == pytest.approx([0, 40, 80, 120, 160], abs=1)
    assert color.times_s == depth.times_s == pytest.approx([0, 0.033, 0.067, 0.1, 0.133])


@pytest.mark.parametrize("color", ["MJPG", "NV12", "YUY2", "BGRA"])
def test_colour_in_every_format_that_it_records(tmp_path: Path, color: str) -> None:
    frame: Frame = np.zeros((720, 1280, 3), np.uint8)
    frame[:360, :, 0] = 200  # red above, blue below
    frame[360:, :, 2] = 100
    path = written(tmp_path / "clip.mkv", {"COLOR": [frame] * 3, "DEPTH": DEPTH[:3]}, calibration(), color=color)
    assert b"V_MS/VFW/FOURCC" in path.read_bytes() and b"b16g" in path.read_bytes()
    rgb, depth = opened(path)
    for read in frames_of(rgb):
        for rows in (slice(0, 350), slice(370, 720)):  # NV12 has half as many rows of colours
            np.testing.assert_allclose(read[rows].astype(int), frame[rows].astype(int), atol=4)
    assert rgb.num_frames == 3 and all(map(np.array_equal, frames_of(depth), DEPTH[:3]))


@pytest.mark.parametrize("title", ["IR", "ir", "Infrared", "infra-red", "IR left", "Infrared 2", "DEPTH_IR"])
def test_infrared_of_other_recorders_is_known_by_its_title(tmp_path: Path, title: str) -> None:
    titles = {"COLOR": "Color", "DEPTH": "Depth", "IR": title}
    path = written(tmp_path / "clip.mkv", {"IR": INFRARED, "DEPTH": DEPTH, "COLOR": COLOR}, titles=titles)
    assert [stream.track for stream in open_streams(path)] == ["Depth", "Color"]
    assert all(map(np.array_equal, frames_of(opened(path)[1]), DEPTH))
    assert opened(path)[1].unit_mm is None  # nothing says who recorded it


def test_infrared_alone_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"has a track of infrared only \(IR\)"):
        open_streams(written(tmp_path / "clip.mkv", {"IR": INFRARED}))


def test_a_track_is_chosen_by_its_title(tmp_path: Path) -> None:
    titles = {"COLOR": "Front", "DEPTH": "Near", "IR": "Far"}
    path = written(tmp_path / "clip.mkv", WHOLE, titles=titles)
    with pytest.raises(MediaError, match=r"several tracks of depth: Near \(depth, 320x288, 5 frames\), Far \("):
        open_stream(path, "depth")
    assert all(map(np.array_equal, frames_of(open_stream(path, "depth", track="Far")), INFRARED))


def test_tracks_of_one_title_are_told_apart_by_their_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "clip.mkv", WHOLE, titles=dict.fromkeys(WHOLE, "Camera"))
    assert [stream.track for stream in open_streams(path)] == ["Camera 1", "Camera 2", "Camera 3"]
    assert all(map(np.array_equal, frames_of(open_stream(path, "depth", track="Camera 3")), INFRARED))


def test_a_title_without_end_is_cut(tmp_path: Path) -> None:
    (stream,) = open_streams(written(tmp_path / "clip.mkv", {"DEPTH": DEPTH}, titles={"DEPTH": "x" * 100_000}))
    assert stream.track == "x" * 200


def test_lenses_are_those_that_the_sdk_prints_for_the_same_file(tmp_path: Path) -> None:
    depth = lens_of(tmp_path / "depth.mkv", {"DEPTH": [np.zeros((576, 640), np.uint16)]}, calibration())
    assert (depth.cx, depth.cy, depth.fx, depth.fy) == pytest.approx(
        (332.064270, 325.880615, 503.927643, 503.978729), abs=1e-4
    )
    color = lens_of(tmp_path / "color.mkv", {"COLOR": [np.zeros((1080, 1920, 3), np.uint8)]}, calibration())
    assert (color.cx, color.cy, color.fx, color.fy) == pytest.approx(
        (953.284424, 555.142456, 904.141541, 903.521362), abs=1e-4
    )
    k1, k2, p1, p2, k3, k4, k5, k6 = color.distortion
    assert (k1, k2, k3, k4, k5, k6) == pytest.approx(
        (0.722746, -2.885590, 1.632723, 0.602199, -2.719626, 1.565053), abs=1e-6
    )
    assert (p1, p2, color.model) == (
        pytest.approx(0.000783, abs=1e-6),
        pytest.approx(-0.000143, abs=1e-6),
        "rational_polynomial",
    )


def test_distortion_is_in_the_order_of_opencv(tmp_path: Path) -> None:
    lens = lens_of(tmp_path / "clip.mkv", {"COLOR": COLOR}, calibration())
    # The SDK's projection, written out: intrinsic_transformation.c.
    k1, k2, k3, k4, k5, k6, _, _, p2, p1 = COLOR_PARAMETERS[4:]
    x, y = 0.4, -0.25
    square = x * x + y * y
    radial = (1 + k1 * square + k2 * square**2 + k3 * square**3) / (1 + k4 * square + k5 * square**2 + k6 * square**3)
    u = lens.cx + lens.fx * (x * radial + (square + 2 * x * x) * p2 + 2 * x * y * p1)
    v = lens.cy + lens.fy * (y * radial + (square + 2 * y * y) * p1 + 2 * x * y * p2)
    matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])
    pixels, _ = cv2.projectPoints(np.array([[x, y, 1.0]]), np.zeros(3), np.zeros(3), matrix, np.array(lens.distortion))
    assert pixels.ravel() == pytest.approx((u, v), abs=1e-9)


# Of each mode: how wide and high the image is of which its frames are a part, and where they begin.
# Source: Azure Kinect Sensor SDK, src/transformation/mode_specific_calibration.c.
MODES = [
    *(("DEPTH", (320, 288), (512, 512), (96, 90)), ("DEPTH", (640, 576), (1024, 1024), (192, 180))),
    *(("DEPTH", (512, 512), (512, 512), (0, 0)), ("DEPTH", (1024, 1024), (1024, 1024), (0, 0))),
    *(("COLOR", (1280, 720), (1280, 960), (0, 120)), ("COLOR", (1920, 1080), (1920, 1440), (0, 180))),
    *(("COLOR", (2560, 1440), (2560, 1920), (0, 240)), ("COLOR", (2048, 1536), (2048, 1536), (0, 0))),
    *(("COLOR", (3840, 2160), (3840, 2880), (0, 360)), ("COLOR", (4096, 3072), (4096, 3072), (0, 0))),
]


@pytest.mark.parametrize(("kind", "size", "image", "offset"), MODES)
def test_a_lens_in_every_mode(tmp_path: Path, kind: str, size: Size, image: Size, offset: Size) -> None:
    width, height = size
    frame: Frame = np.zeros((height, width), np.uint16) if kind == "DEPTH" else np.zeros((height, width, 3), np.uint8)
    lens = lens_of(tmp_path / "clip.mkv", {kind: [frame]}, calibration())
    cx, cy, fx, fy = (DEPTH_PARAMETERS if kind == "DEPTH" else COLOR_PARAMETERS)[:4]
    expected = (cx * image[0] - offset[0] - 0.5, cy * image[1] - offset[1] - 0.5, fx * image[0], fy * image[1])
    assert lens.size == size
    assert (lens.cx, lens.cy, lens.fx, lens.fy) == pytest.approx(expected, abs=1e-9)


def test_colour_that_was_calibrated_in_a_wide_image(tmp_path: Path) -> None:
    wide = camera("PV0", [0.5, 0.5, 0.47, 0.8366, *COLOR_PARAMETERS[4:]], (4096, 2304))
    lens = lens_of(tmp_path / "clip.mkv", {"COLOR": COLOR}, calibration(wide))
    assert (lens.cx, lens.cy) == pytest.approx((639.5, 359.5))  # the middle stays the middle
    assert (lens.fx, lens.fy) == pytest.approx((0.47 * 1280, 0.8366 * 720))


def test_the_way_from_depth_to_colour(tmp_path: Path) -> None:
    color, depth = opened(written(tmp_path / "clip.mkv", WHOLE, calibration()))
    way = depth.camera.pose_to(color.camera)
    assert way is not None
    places = np.array([[0.0, 0.0, 1.0], [0.5, -0.3, 2.0]])
    expected = places @ np.array(TILT).reshape(3, 3).T + np.array(TRANSLATION_M)
    np.testing.assert_allclose(way.apply(places), expected, atol=1e-9)


def test_it_is_found_by_its_tag_or_its_name(tmp_path: Path) -> None:
    other = opened(written(tmp_path / "tag.mkv", WHOLE, calibration(), name="other.json"))
    same = opened(written(tmp_path / "name.mkv", WHOLE, calibration()))
    assert [stream.camera for stream in other] == [stream.camera for stream in same]


BROKEN = [
    *(b" ", b"{", b"\xff\xfe\0\0", b"[]", b"null", b"[" * 100_000, b'{"CalibrationInformation": {"Cameras": 7}}'),
    b'{"CalibrationInformation": {"Cameras": [{"Location": "CALIBRATION_CameraLocationD0"}]}}',
    *(calibration()[:-40], calibration().replace(b"0.51", b"NaN"), calibration().replace(b"0.51", b"1e999")),
    *(calibration().replace(b"4096", b"9" * 5000), b" " * (2 << 20) + calibration()),
    calibration(camera("D0", DEPTH_PARAMETERS[:9], (1024, 1024))),
]


@pytest.mark.parametrize("attached", BROKEN, ids=range(len(BROKEN)))
def test_a_calibration_that_is_broken_is_told_and_nothing_else(tmp_path: Path, attached: bytes) -> None:
    for stream in opened(written(tmp_path / "clip.mkv", WHOLE, attached)):
        assert stream.camera == StreamCamera()
        (note,) = stream.notes
        assert "the calibration attached to it cannot be read (" in note and len(note) < 500
    assert all(map(np.array_equal, frames_of(stream), DEPTH)) and stream.unit_mm == 1


def test_a_calibration_that_is_not_there_is_told(tmp_path: Path) -> None:
    for stream in opened(written(tmp_path / "clip.mkv", WHOLE)):
        assert stream.camera == StreamCamera()
        assert stream.notes == ("it has no calibration.json, so that its cameras are not known",)
    assert stream.unit_mm == 1


ODD = {
    "no mode has frames of 1280x720": [camera("D0", DEPTH_PARAMETERS, (1024, 1024))],
    "calibrated in an image of 640x480": [camera("D0", DEPTH_PARAMETERS, (640, 480))],
    "calibrated in an image of 0x0": [camera("D0", DEPTH_PARAMETERS, (0, 0))],
    "one of early devices": [camera("D0", [*DEPTH_PARAMETERS[:10], 0.1, 0, 0, 0], (1024, 1024))],
    "its numbers cannot be": [camera("D0", [0.5, 0.5, -1, 1, *DEPTH_PARAMETERS[4:]], (1024, 1024))],
    "has no CALIBRATION_CameraLocationD0": [camera("PV0", COLOR_PARAMETERS, (4096, 3072))],
    "a place of depth's camera that cannot be": [
        camera("D0", DEPTH_PARAMETERS, (1024, 1024), Rt={"Rotation": [1] * 9, "Translation": [0, 0, 0]})
    ],
}


@pytest.mark.parametrize("reason", ODD)
def test_what_a_calibration_does_not_tell_is_said(tmp_path: Path, reason: str) -> None:
    size = (720, 1280) if "1280" in reason else (288, 320)
    (depth,) = open_streams(
        written(tmp_path / "clip.mkv", {"DEPTH": [np.zeros(size, np.uint16)]}, calibration(*ODD[reason]))
    )
    assert reason in " ".join(depth.notes)
    is_place = "place" in reason
    assert (depth.camera.intrinsics is None, depth.camera.to_reference is None) == (
        not is_place,
        is_place or "LocationD0" in reason,
    )


def test_a_model_of_another_name_is_no_lens(tmp_path: Path) -> None:
    early = camera("D0", DEPTH_PARAMETERS, (1024, 1024))
    early["Intrinsics"]["ModelType"] = "CALIBRATION_LensDistortionModelRational6KT"
    (depth,) = open_streams(written(tmp_path / "clip.mkv", {"DEPTH": DEPTH}, calibration(early)))
    assert depth.camera.intrinsics is None and "Rational6KT" in depth.notes[0]
    assert depth.camera.to_reference == Pose(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 0, 0))


@pytest.mark.parametrize("share", [0.35, 0.6, 0.9])
def test_a_recording_that_was_killed_is_read_as_far_as_it_goes(tmp_path: Path, share: float) -> None:
    """Such a file has no index and no length, and ends in the middle of a frame."""
    whole = {"COLOR": COLOR * 4, "DEPTH": DEPTH * 4, "IR": INFRARED * 4}
    content = azure_kinect(whole, calibration(), is_killed=True)
    path = tmp_path / "killed.mkv"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DamagedError):
        frames_of(opened(path)[1])
    color, depth = opened(path, Limits(on_damage="skip"))
    read = frames_of(depth)
    assert 20 * share - 2 <= len(read) <= 20 * share + 1
    assert all(map(np.array_equal, read, (DEPTH * 4)[: len(read)]))
    assert abs(len(frames_of(color)) - len(read)) <= 1
    assert depth.damage and depth.camera.intrinsics is not None
    assert depth.times_s is not None and len(depth.times_s) == len(read)


def test_a_real_file_tells_its_cameras() -> None:
    color, depth = opened(real_recordings("cameras") / "azure_kinect.mkv")
    assert (color.track, depth.track, depth.unit_mm) == ("COLOR", "DEPTH", 1)
    assert color.camera.intrinsics is not None and depth.camera.intrinsics is not None
    lens = depth.camera.intrinsics
    assert (lens.size, lens.fx, lens.fy, lens.cx, lens.cy) == (
        (640, 576),
        *map(pytest.approx, (504.6076, 504.7325, 332.7811, 348.8297)),
    )
    lens = color.camera.intrinsics
    assert (lens.size, lens.fx, lens.fy, lens.cx, lens.cy) == (
        (1280, 720),
        *map(pytest.approx, (611.7953, 611.9270, 639.3043, 365.8529)),
    )
    way = depth.camera.pose_to(color.camera)
    assert way is not None
    assert math.hypot(*way.translation_m) == pytest.approx(0.0324, abs=1e-4)
    # By design depth looks 6 degrees further down than colour.
    assert math.degrees(math.asin(way.rotation[1][2])) == pytest.approx(4.94, abs=0.01)
    assert color.times_s == depth.times_s == (0.463945,)
    assert color.notes == depth.notes == ()
