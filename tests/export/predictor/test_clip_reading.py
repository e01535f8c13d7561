"""Which streams are read of the files that are given."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.ros_bags import SECOND, image, write_bag
from benchmarks.support.tiny_bundle import SPEC
from export.predictor.clip_reading import read_clip
from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from rgbd.errors import MediaError
from rgbd.recording.limits import NO_LIMITS
from tests.support.uploads import at_rate, depth_frames, rgb_frames, timed_video
from tests.support.videos import xvid


def test_of_a_file_with_both_tracks_a_model_of_depth_takes_its_own(tmp_path: Path) -> None:
    timed_video(tmp_path / "both.mkv", at_rate(rgb_frames(8), 10), at_rate(depth_frames(8), 10))
    file = StreamFile("rgb", tmp_path / "both.mkv", "both.mkv")
    clip = read_clip(ClipRequest((file,), RecordingMeta(), NO_LIMITS, SPEC, ("depth",)))
    assert clip.facts.given == ["depth"] and len(clip.arrays) == 1


def test_a_track_is_meant_by_its_kind_and_not_by_its_place(tmp_path: Path) -> None:
    """The 16-bit track of a file is its depth, also where the file is given as depth, or depth comes first."""
    for first, second in ((rgb_frames(8), depth_frames(8)), (depth_frames(8), rgb_frames(8))):
        path = tmp_path / "both.mkv"
        timed_video(path, at_rate(first, 10), at_rate(second, 10))
        given = tuple(StreamFile(stream, path, path.name) for stream in ("rgb", "depth"))
        both = read_clip(ClipRequest(given[:1], RecordingMeta(), NO_LIMITS, SPEC, ("rgb", "depth")))
        depth = read_clip(ClipRequest(given[1:], RecordingMeta(), NO_LIMITS, SPEC, ("depth",)))
        assert both.facts.given == ["rgb", "depth"] and depth.facts.given == ["depth"]
        np.testing.assert_array_equal(both.arrays[1], depth.arrays[0])


def test_a_cut_or_damaged_video_is_answered_with_a_warning(tmp_path: Path) -> None:
    path = xvid(tmp_path)
    content = path.read_bytes()
    request = ClipRequest((StreamFile("rgb", path, "wave.avi"),), RecordingMeta(), NO_LIMITS, SPEC, ("rgb",))
    assert read_clip(request).facts.warnings == []
    path.write_bytes(content[: len(content) // 2])
    (warning,) = read_clip(request).facts.warnings
    assert warning.startswith("rgb (wave.avi): holds ") and "of the 60 frames" in warning
    path.write_bytes(content[:20_000] + bytes(300) + content[20_300:])
    (warning,) = read_clip(request).facts.warnings
    assert "1 frame is damaged" in warning


def test_a_bag_of_ros_stands_for_both_streams_in_the_unit_that_it_says(tmp_path: Path) -> None:
    depth = depth_frames(4)
    topics = {
        "/device_0/sensor_0/Depth_0/image/data": [
            image("mono16", frame * np.uint16(2), turn * SECOND) for turn, frame in enumerate(depth, start=1)
        ],
        "/device_0/sensor_1/Color_0/image/data": [
            image("rgb8", frame, turn * SECOND) for turn, frame in enumerate(rgb_frames(4), start=1)
        ],
        "/device_0/sensor_0/option/Depth Units/value": [("std_msgs/msg/Float32", {"data": 0.0005})],
    }
    bag = StreamFile("rgb", write_bag(tmp_path, "bag", topics), "wave.bag")
    clip = read_clip(ClipRequest((bag,), RecordingMeta(), NO_LIMITS, SPEC, ("rgb", "depth")))
    timed_video(tmp_path / "depth.mkv", at_rate(depth, 1))
    file = StreamFile("depth", tmp_path / "depth.mkv", "depth.mkv")
    alone = read_clip(ClipRequest((file,), RecordingMeta(), NO_LIMITS, SPEC, ("depth",)))
    assert clip.facts.given == ["rgb", "depth"] and clip.facts.aligned_by == "time"
    np.testing.assert_array_equal(clip.arrays[1], alone.arrays[0])
    with pytest.raises(
        MediaError,
        match=r"depth \(wave.bag\): depth_scale_mm 0.1 contradicts the file, by which one unit of its depth is 0.5 mm",
    ):
        read_clip(ClipRequest((bag,), RecordingMeta(0.1), NO_LIMITS, SPEC, ("rgb", "depth")))
