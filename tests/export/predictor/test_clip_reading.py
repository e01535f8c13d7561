"""Which streams are read of the files that are given."""

from pathlib import Path

from benchmarks.support.tiny_bundle import SPEC
from export.predictor.clip_reading import read_clip
from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from rgbd.recording.limits import NO_LIMITS
from tests.support.uploads import at_rate, depth_frames, rgb_frames, timed_video


def test_of_a_file_with_both_tracks_a_model_of_depth_takes_its_own(tmp_path: Path) -> None:
    timed_video(tmp_path / "both.mkv", at_rate(rgb_frames(8), 10), at_rate(depth_frames(8), 10))
    file = StreamFile("rgb", tmp_path / "both.mkv", "both.mkv")
    clip = read_clip(ClipRequest((file,), RecordingMeta(), NO_LIMITS, SPEC, ("depth",)))
    assert clip.facts.given == ["depth"] and len(clip.arrays) == 1
