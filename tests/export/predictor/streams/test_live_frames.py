"""A camera's frames become what the network takes: as a recording of them would, and what makes a new stretch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.support.scenes import Seen
from benchmarks.support.tiny_bundle import RAW, SPEC
from export.predictor.clip_request import ClipRequest, RecordingMeta
from export.predictor.streams import first_look
from export.predictor.streams.first_look import View
from export.predictor.streams.live_frames import LiveFrames, Portion, live_sampler
from rgbd.clip.appearance import Appearance
from rgbd.errors import MediaError
from rgbd.recording.limits import NO_LIMITS
from rgbd.types import Frame, Stream
from tests.support.raw_clips import config_of, empty_room, pictures, preprocessed, read_raw, request_of, seen, write_raw

INTERVAL_S = 0.1


class Live:
    """Frames as they come, sampled and then taken."""

    def __init__(self, request: ClipRequest, streams: Sequence[Stream]) -> None:
        self._sampler = live_sampler(streams, INTERVAL_S)
        self._frames = LiveFrames(request, streams, INTERVAL_S)

    def add(self, stream: Stream, time_s: float, frame: Frame) -> list[Portion]:
        moments = self._sampler.add(stream, time_s, frame)
        return [portion for moment in moments for portion in self._frames.take(moment)]

    def end(self) -> list[Portion]:
        last = [portion for moment in self._sampler.end() for portion in self._frames.take(moment)]
        return [*last, *self._frames.end()]


def feed(
    frames: Live, shown: Sequence[Seen], start_s: float = 0.0, streams: Sequence[Stream] = ("rgb", "depth")
) -> list[Portion]:
    """Return what becomes of frames that come one after another, colour before depth."""
    found: list[Portion] = []
    for number, (picture, view) in enumerate(zip(pictures(shown), shown, strict=True)):
        both: dict[Stream, Frame] = {"rgb": picture, "depth": view.depth_mm}
        for stream in streams:
            found += frames.add(stream, start_s + number * INTERVAL_S, both[stream])
    return found


def views(portions: Sequence[Portion]) -> list[View]:
    return [portion.view for portion in portions if portion.view is not None]


def made(portions: Sequence[Portion], stream: Stream = "depth") -> np.ndarray:
    return np.concatenate([portion.frames[stream] for portion in portions if portion.frames])


def asking(**changes: Any) -> ClipRequest:
    """Return what a model of both streams asks, whose clips have 4 frames of 32x32."""
    trained_on: dict[Stream, Appearance] = {
        stream: Appearance(aspect_ratio=(4 / 3, 4 / 3), height_px=(240, 240), empty_share=share)
        for stream, share in (("rgb", None), ("depth", (0.6, 0.95)))
    }
    request = ClipRequest(
        (), RecordingMeta(), NO_LIMITS, SPEC, ("rgb", "depth"), trained_on=trained_on, preparation=RAW
    )
    return replace(request, **changes)


def live(request: ClipRequest, streams: Sequence[Stream] = ("rgb", "depth")) -> Live:
    return Live(request, streams)


@pytest.mark.parametrize("depth", [{}, {"mode": "centred", "colors": "motion", "span_mm": 800}], ids=["grey", "motion"])
def test_frames_are_made_as_those_of_a_recording_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: dict[str, object]
) -> None:
    monkeypatch.setattr(first_look, "ROOM", 1.0)  # but for the box, which is roomier
    shown = seen(0.2, num_frames=8)
    given = write_raw(tmp_path, shown)
    config = config_of(preprocessed(tmp_path, given), "rgbd", depth=depth)
    frames = live(request_of(config, {}))
    found = [*feed(frames, shown), *frames.end()]
    expected = read_raw(config, {"rgb": tmp_path / "rgb.avi", "depth": tmp_path / "depth"})
    (view,) = views(found)
    assert (view.num_people, view.person, view.was_prepared) == (1, 1, False)
    assert view.box_px == expected.facts.subjects[0].box_px
    ((clips,),) = expected.subjects(config.modalities)
    np.testing.assert_array_equal(made(found), clips["depth"])
    np.testing.assert_allclose(made(found, "rgb").mean(), clips["rgb"].mean(), atol=1)  # the video is compressed


def test_later_frames_go_on_one_by_one_in_the_same_box() -> None:
    shown = seen(0.2, num_frames=12)
    frames = live(asking())
    first, later = feed(frames, shown[:4]), feed(frames, shown[4:], start_s=0.4)
    assert [len(portion.frames["rgb"]) for portion in first] == [4]
    assert [len(portion.frames["rgb"]) for portion in later] == [1] * 8
    assert len(views(first)) == 1 and not views(later)
    filled = (made(later) > 0).any(axis=3).mean()
    assert filled == pytest.approx((made(first) > 0).any(axis=3).mean(), rel=0.3)  # the person, and no background


def test_whoever_walks_elsewhere_is_found_there() -> None:
    frames = live(asking())
    before, after = feed(frames, seen(-0.9, num_frames=8)), feed(frames, seen(0.9, num_frames=40), start_s=0.8)
    (old,), (new,) = views(before), views(after)
    assert old.box_px is not None and new.box_px is not None
    assert new.box_px[0] > old.box_px[0] + 40 and new.num_people == 1
    assert 0.8 < new.time_s <= 1.0  # half a second later, for those of the frames in which they are there


def test_an_arm_that_is_raised_begins_nothing() -> None:
    assert len(views(feed(live(asking()), seen(0.2, num_frames=40)))) == 1


def test_while_nobody_is_in_view_nothing_is_looked_at() -> None:
    frames = live(asking())
    nobody = feed(frames, empty_room(8))
    assert [(view.is_waiting, view.num_people) for view in views(nobody)] == [(True, 0)] * 3
    assert not any(len(portion.frames) for portion in nobody)
    somebody = feed(frames, seen(0.2, num_frames=8), start_s=0.8)
    assert views(somebody)[-1].num_people == 1 and len(made(somebody))


def test_whoever_leaves_ends_the_stretch() -> None:
    frames = live(asking())
    feed(frames, seen(0.2, num_frames=8))
    gone = feed(frames, empty_room(16), start_s=0.8)
    assert views(gone)[0].is_waiting


def test_of_several_people_the_one_asked_for_is_followed() -> None:
    shown = seen(-0.7, 0.6, num_frames=8)
    found = {people: feed(live(asking(people=people)), shown) for people in ("all", 1, 2, "nearest", 3)}
    boxes = {people: views(portions)[0].box_px for people, portions in found.items()}
    assert boxes["nearest"] in (boxes[1], boxes[2]) and boxes[1] != boxes[2]
    masked = {people: (made(portions) > 0).mean() for people, portions in found.items() if people != 3}
    assert masked["all"] > 1.2 * masked[1] and masked["all"] > 1.2 * masked[2]
    assert views(found[3])[0].is_waiting  # for a third one


def test_who_joins_later_is_left_out() -> None:
    frames = live(asking())
    alone = feed(frames, seen(-0.7, num_frames=8))
    joined = feed(frames, seen(-0.7, 0.6, num_frames=8), start_s=0.8)
    assert not views(joined)
    assert (made(joined) > 0).mean() == pytest.approx((made(alone) > 0).mean(), rel=0.2)


def test_a_pause_or_another_size_begins_a_new_stretch() -> None:
    frames = live(asking(preparation=None))
    feed(frames, seen(0.2, num_frames=4))
    paused = feed(frames, seen(0.2, num_frames=4), start_s=60.0)
    assert [view.time_s for view in views(paused)] == [60.0]
    shown = [Seen(view.depth_mm[::2, ::2], view.mask[::2, ::2]) for view in seen(0.2, num_frames=4)]
    smaller = feed(frames, shown, start_s=60.4)
    assert [view.time_s for view in views(smaller)] == [pytest.approx(60.4)]


def test_prepared_frames_are_known_by_their_looks_or_told() -> None:
    masked = [Seen(np.where(view.mask, view.depth_mm, 0).astype(np.uint16), view.mask) for view in seen(0.2)]
    (view,) = views(feed(live(asking()), masked[:4]))
    assert view.was_prepared and view.box_px is None
    (view,) = views(feed(live(asking(meta=RecordingMeta(prepared=False))), masked[:4]))
    assert not view.was_prepared


def test_colour_alone_is_taken_whole_and_said() -> None:
    request = asking(streams=("rgb",), enough=("rgb",))
    shown = [Seen(view.depth_mm[:, :200], view.mask[:, :200]) for view in seen(0.2, num_frames=4)]
    (view,) = views(feed(live(request, ["rgb"]), shown, streams=["rgb"]))
    assert any("nobody can be found in colour alone" in warning for warning in view.warnings)


def test_a_stream_shorter_than_a_clip_is_looked_at_when_it_ends() -> None:
    frames = live(asking())
    assert not feed(frames, seen(0.2, num_frames=3))
    found = frames.end()
    assert len(made(found)) == 3 and views(found)[0].num_people == 1
    assert not live(asking()).end()


@pytest.mark.parametrize(
    ("stream", "frame", "reason"),
    [
        ("rgb", np.zeros((4, 4), np.uint16), "holds 16-bit depth"),
        ("depth", np.zeros((4, 4, 3), np.uint8), "holds 8-bit images, but this model needs distances"),
    ],
)
def test_frames_that_cannot_be_used(stream: Stream, frame: Frame, reason: str) -> None:
    with pytest.raises(MediaError, match=reason):
        live(asking(), [stream]).add(stream, 0.0, frame)


def test_depth_in_a_wrong_unit_is_said() -> None:
    frames = live(asking(meta=RecordingMeta(depth_scale_mm=10.0)), ["depth"])
    with pytest.raises(MediaError, match=r"depth: half of its depth is farther than 50"):
        feed(frames, seen(0.2, num_frames=4), streams=["depth"])
