"""A long recording -> what happens in it, and when: as a stream that comes as fast as it can be computed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.predictor.clip_reading import open_source, unlike_training
from export.predictor.clip_request import ClipRequest
from export.predictor.frame_sources import FrameSource
from export.predictor.model import Model
from export.predictor.opened_files import Streams, check_complete, file_named, open_files, read_together
from export.predictor.results import Window
from export.predictor.streams.answers import StreamAnswers
from export.predictor.streams.events import Event, EventRules
from export.predictor.streams.pace import default_every, window_of
from export.predictor.streams.sliding import Frames, Slider, SlidWindow, slide_over, with_black
from rgbd.clip.alignment import Part
from rgbd.clip.appearance import Look, look_of
from rgbd.clip.running import InStep, RunningClip
from rgbd.errors import MediaError
from rgbd.types import Box, Stream

_PORTION = 32  # frames at a time

Progress = Callable[[int, int], None]
"""Is told how many sampled frames of each stream are looked at, of how many."""


@dataclass(frozen=True)
class TimelineRules:
    """How a recording is looked at.

    window_s: how long a window is; None: as the clips are that the model was trained on. top_k: how many classes are
    named of each.
    """

    window_s: float | None = None
    top_k: int = 5
    events: EventRules = field(default_factory=EventRules)


@dataclass(frozen=True)
class Timeline:
    """What happens in a recording of `duration_s`, by windows of `window_s` that begin every `step_s`.

    person: whom it is about, 1 being the largest; None: all that is there. box_px: what was cut out of every frame,
    (x0, y0, x1, y1), half-open; None where that changes, or nothing was cut. warnings: sentences about what should be
    looked at.
    """

    duration_s: float
    window_s: float
    step_s: float
    person: int | None
    box_px: Box | None
    events: tuple[Event, ...]
    windows: tuple[Window, ...]
    warnings: tuple[str, ...]


def read_timeline(
    model: Model,
    slider: Slider[Any],
    request: ClipRequest,
    rules: TimelineRules,
    progress: Progress | None = None,
) -> Timeline:
    """Return what a recording shows, and when; raises `MediaError` where it cannot be used, `UserError` otherwise.

    slider: what answers streams with the model.
    """
    streams = open_files(request)
    check_complete(streams, request)
    return read_together(streams, request, lambda *given: _Reading(model, slider, rules, *given).timeline(progress))


class _Reading:
    """One recording, read once."""

    def __init__(
        self, model: Model, slider: Slider[Any], rules: TimelineRules, streams: Streams, request: ClipRequest
    ) -> None:
        self._model, self._slider, self._rules = model, slider, rules
        self._streams, self._request = streams, request
        self._source = open_source(streams, request)
        self._whole = _timed(self._source, request)
        manifest, duration_s = model.bundle.manifest, self._whole.end - self._whole.start
        clip_frames = manifest.clip_spec.num_frames
        num_frames = max(clip_frames, round(duration_s * clip_frames / window_of(model, rules.window_s)))
        self._interval_s = duration_s / num_frames
        self._window_s, self._every = clip_frames * self._interval_s, default_every(clip_frames)
        self._chosen = self._source.choose(self._whole, num_frames)
        self._looks: dict[Stream, list[Look]] = {stream: [] for stream in self._source.given}

    def timeline(self, progress: Progress | None) -> Timeline:
        """Return what the recording shows."""
        answers = StreamAnswers(
            self._model,
            self._source.given,
            self._rules.events,
            self._whole.start,
            self._interval_s,
            self._rules.top_k,
        )
        answered = [answers.take(slid) for slid in self._slid(progress)]
        ended = [*(event for _, event in answered), answers.end()]
        subject = self._source.subjects[0]
        return Timeline(
            duration_s=round(self._whole.end - self._whole.start, 6),
            window_s=self._window_s,
            step_s=self._every * self._interval_s,
            person=subject.person,
            box_px=subject.box_px,
            events=tuple(event for event in ended if event is not None),
            windows=tuple(window for window, _ in answered),
            warnings=tuple(self._warnings()),
        )

    def _slid(self, progress: Progress | None) -> Iterator[SlidWindow]:
        """Yield what the network says of each window."""
        return slide_over(self._slider, self._every, self._counted(progress))

    def _counted(self, progress: Progress | None) -> Iterator[Frames]:
        """Yield the sampled frames, and tell how many there were."""
        done, total = 0, len(next(iter(self._chosen.values())))
        for frames in self._frames():
            yield frames
            done += len(next(iter(frames.values())))
            if progress is not None:
                progress(done, total)

    def _frames(self) -> Iterator[Frames]:
        """Yield the sampled frames as the network takes them, some of all streams at a time; black where one lacks."""
        given = self._source.given
        together = InStep()
        for made in zip(*(self._made(stream) for stream in given), strict=True):
            frames = together.add(dict(zip(given, made, strict=True)))
            if len(frames[given[0]]):
                yield with_black(frames, self._model.streams)

    def _made(self, stream: Stream) -> Iterator[NDArray[np.uint8]]:
        """Yield a stream's sampled frames as the network takes them."""
        running, chosen = RunningClip(stream, self._request.spec), self._chosen[stream]
        portions = [chosen[first : first + _PORTION] for first in range(0, len(chosen), _PORTION)]
        for number, frames in enumerate(self._source.read(0, stream, portions), start=1):
            self._looks[stream].append(look_of(frames, stream))
            with file_named(self._streams, stream):
                yield running.add(frames, is_end=number == len(portions))

    def _warnings(self) -> Iterator[str]:
        can_prepare = self._request.preparation is not None
        yield from self._source.warnings
        yield from unlike_training(self._looks, self._request.trained_on, can_prepare=can_prepare)


def _timed(source: FrameSource, request: ClipRequest) -> Part:
    """Return all that is meant of a recording; raises `MediaError` where nobody knows times."""
    if source.alignment.by != "time":
        raise MediaError("when its frames were taken is not known, so that nothing can be said of times; give fps")
    return source.alignment.whole(request.meta.start_s, request.meta.end_s)
