"""Frames of streams without end are made as those of clips, in whatever portions they come."""

from collections.abc import Sequence

import numpy as np
import pytest

from rgbd.clip.build import build_clip
from rgbd.clip.depth_encoding import DepthEncoding
from rgbd.clip.running import RunningClip
from rgbd.clip.spec import ClipSpec, centred_geometry
from rgbd.errors import MediaError
from rgbd.types import Frame, Stream

ENCODINGS = [
    DepthEncoding(),
    DepthEncoding(colors="grey"),
    DepthEncoding(colors="motion"),
    DepthEncoding(mode="centred", span_mm=400),
    DepthEncoding(mode="centred", colors="motion"),
    DepthEncoding(mode="wrapped"),
]


def spec_of(encoding: DepthEncoding) -> ClipSpec:
    return ClipSpec(num_frames=8, resize=(64, 48), crop=40, size=32, depth=encoding)


def frames_of(stream: Stream, num_frames: int) -> list[Frame]:
    rng = np.random.default_rng(3)
    if stream == "rgb":
        return list(rng.integers(0, 256, (num_frames, 60, 80, 3), np.uint8))
    return list(rng.integers(0, 3000, (num_frames, 60, 80), np.uint16))


def in_portions(running: RunningClip, frames: Sequence[Frame], size: int) -> np.ndarray:
    made = []
    for first in range(0, len(frames), size):
        made.append(running.add(frames[first : first + size], is_end=first + size >= len(frames)))
    return np.concatenate(made)


@pytest.mark.parametrize("size", [1, 3, 8])
@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda encoding: f"{encoding.mode}-{encoding.colors}")
def test_a_clip_comes_out_as_one(encoding: DepthEncoding, size: int) -> None:
    spec, frames = spec_of(encoding), frames_of("depth", 8)
    expected = build_clip(frames, "depth", spec, centred_geometry(spec))
    np.testing.assert_array_equal(in_portions(RunningClip("depth", spec), frames, size), expected)


def test_colour_goes_on_at_once() -> None:
    spec, frames = spec_of(DepthEncoding()), frames_of("rgb", 8)
    running = RunningClip("rgb", spec)
    made = [running.add([frame]) for frame in frames]
    assert [len(frames) for frames in made] == [1] * 8
    np.testing.assert_array_equal(np.concatenate(made), build_clip(frames, "rgb", spec, centred_geometry(spec)))


def test_what_is_told_from_the_first_frames_holds_for_all_that_follow() -> None:
    spec = spec_of(DepthEncoding(mode="centred", span_mm=400, colors="grey"))
    near, far = (np.full((60, 80), distance, np.uint16) for distance in (1500, 1700))
    running = RunningClip("depth", spec)
    assert [len(running.add([near])) for _ in range(8)] == [0] * 7 + [8]
    grey = running.add([far])[0, 16, 16, 0]
    assert grey == 255 // 4  # 200 mm behind the middle of 800: a clip of its own would be grey in the middle


def test_a_short_stream_is_all_there_at_its_end() -> None:
    spec, frames = spec_of(DepthEncoding(mode="centred", colors="motion")), frames_of("depth", 3)
    running = RunningClip("depth", spec)
    assert len(running.add(frames[:2])) == 0
    assert len(running.add(frames[2:], is_end=True)) == 3
    assert len(running.add([], is_end=True)) == 0


def test_frames_of_another_kind_are_refused() -> None:
    with pytest.raises(MediaError, match="this model needs distances"):
        RunningClip("depth", spec_of(DepthEncoding())).add(frames_of("rgb", 1))
