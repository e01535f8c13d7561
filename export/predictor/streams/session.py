"""A live stream: a camera's frames go in, what they show comes out, as soon as it is known."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from export.predictor.model import Model
from export.predictor.results import Window
from export.predictor.streams.answers import StreamAnswers
from export.predictor.streams.events import Event, EventRules
from export.predictor.streams.first_look import View
from export.predictor.streams.live_frames import LiveFrames, Portion
from export.predictor.streams.pace import Pace
from export.predictor.streams.sliding import Slider, SlidWindow, with_black
from export.predictor.streams.timed_sampling import Sampled, TimedSampler
from rgbd.types import Frame, Stream

Said = View | Window | Event
"""What a live stream says: what is looked at from now on; what a window shows; or an event that has begun, or, where
`is_over`, has ended."""


class LiveAnswers:
    """What the network says of the frames of one stream."""

    def __init__(
        self,
        model: Model,
        slider: Slider[Any],
        streams: Collection[Stream],
        pace: Pace,
        rules: EventRules,
        top_k: int,
    ) -> None:
        """See `live_pace`. streams: those that come, of which the model need not look at all."""
        self._model, self._slider = model, slider
        self._given = tuple(stream for stream in model.streams if stream in streams)
        self.pace, self._rules, self._top_k = pace, rules, top_k
        self._state = slider.begin(pace.every)
        self._answers: StreamAnswers | None = None  # None where no stretch has begun

    def take(self, portion: Portion) -> Iterator[Said]:
        """Yield what is known now that a portion has come; raises `ValueError` where the network fails."""
        if portion.view is not None:
            yield from self.end()
            yield portion.view
            if not portion.view.is_waiting:
                self._begin(portion.view.time_s)
        if self._answers is not None and portion.frames and len(portion.frames[self._given[0]]):
            (windows,) = self._slider.add([(self._state, with_black(portion.frames, self._model.streams))])
            yield from self._say(windows)

    def end(self) -> Iterator[Said]:
        """Yield what waited for frames that do not come."""
        if self._answers is None:
            return
        yield from self._say(self._slider.end(self._state))
        if (event := self._answers.end()) is not None:
            yield event
        self._answers = None

    def _begin(self, start_s: float) -> None:
        self._state = self._slider.begin(self.pace.every)
        self._answers = StreamAnswers(self._model, self._given, self._rules, start_s, self.pace, self._top_k)

    def _say(self, windows: Iterable[SlidWindow]) -> Iterator[Said]:
        assert self._answers is not None
        for slid in windows:
            window, events = self._answers.take(slid)
            yield window
            yield from events


class LiveSession:
    """One live stream.

    Frames are taken one by one, each with the time at which it was taken, in seconds of any clock; times of what is
    said are of the same clock.
    """

    def __init__(self, sampler: TimedSampler[Frame], frames: LiveFrames, answers: LiveAnswers) -> None:
        self._sampler, self._frames, self._answers = sampler, frames, answers

    @property
    def pace(self) -> Pace:
        """How it is sampled."""
        return self._answers.pace

    def add(self, stream: Stream, time_s: float, frame: Frame) -> Iterator[Said]:
        """Yield what is known now that a frame has come, uint8 RGB [H, W, 3] or uint16 depth [H, W].

        Raises `MediaError` for a frame that cannot be used, and `ValueError` where the network fails.
        """
        yield from self._take(self._sampler.add(stream, time_s, frame))

    def end(self) -> Iterator[Said]:
        """Yield what waited for frames that do not come; the stream is over then."""
        yield from self._take(self._sampler.end())
        for portion in self._frames.end():
            yield from self._answers.take(portion)
        yield from self._answers.end()

    def _take(self, moments: Iterable[Sampled[Frame]]) -> Iterator[Said]:
        for sampled in moments:
            for portion in self._frames.take(sampled):
                yield from self._answers.take(portion)
