"""A recording -> its sampled frames as the network takes them, however long it is. All of it goes between processes."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from export.predictor.clip_reading import odd_depth, open_source, unlike_training
from export.predictor.clip_request import ClipRequest
from export.predictor.decoded_clip import Subject
from export.predictor.frame_sources import FrameSource
from export.predictor.opened_files import Streams, check_complete, file_named, open_files
from export.predictor.streams.sliding import Frames
from rgbd.clip.alignment import Part
from rgbd.clip.appearance import Look, look_of
from rgbd.clip.running import InStep, RunningClip
from rgbd.errors import MediaError
from rgbd.recording.streams import MiscountedError
from rgbd.types import Stream

_PORTION = 32  # frames at a time


class Beginning(BaseModel):
    """What is known before the first frame.

    given: of the streams that the model looks at, those that there are. start_s, duration_s: of what is looked at.
    num_frames: how many of each stream are sampled, evenly.
    """

    given: tuple[Stream, ...]
    start_s: float
    duration_s: float
    num_frames: int

    @property
    def interval_s(self) -> float:
        """From one sampled frame to the next."""
        return self.duration_s / self.num_frames


class Ending(BaseModel):
    """What is known after the last frame: whom it is about, and what should be looked at, in sentences."""

    subject: Subject
    warnings: list[str]


Read = Beginning | Frames | Ending
"""What comes of a recording; frames are of the streams that are given, some of all of them at a time."""


def read_sampled(request: ClipRequest, window_s: float) -> Iterator[Read]:
    """Yield the beginning of a recording, its sampled frames, and its end.

    Windows of `window_s` have as many of the frames as a clip; a recording shorter than that is one. A beginning may
    come again: then all before it is void, since a video had been counted wrongly. Raises `MediaError` where the
    recording cannot be used.
    """
    streams = open_files(request)
    check_complete(streams, request)
    while True:
        try:
            yield from _Reading(streams, request, window_s).items()
        except MiscountedError:
            continue
        return


class _Reading:
    """One recording, read once."""

    def __init__(self, streams: Streams, request: ClipRequest, window_s: float) -> None:
        self._streams, self._request = streams, request
        self._source = open_source(streams, request)
        self._whole = _timed(self._source, request)
        duration_s, clip_frames = self._whole.end - self._whole.start, request.spec.num_frames
        self._num_frames = max(clip_frames, round(duration_s * clip_frames / window_s))
        self._chosen = self._source.choose(self._whole, self._num_frames)
        self._looks: dict[Stream, list[Look]] = {stream: [] for stream in self._source.given}
        self._odd: list[str] = []

    def items(self) -> Iterator[Read]:
        """Yield all that comes of it."""
        yield Beginning(
            given=self._source.given,
            start_s=self._whole.start,
            duration_s=self._whole.end - self._whole.start,
            num_frames=self._num_frames,
        )
        yield from self._frames()
        can_prepare = self._request.preparation is not None
        unlike = unlike_training(self._looks, self._request.trained_on, can_prepare=can_prepare)
        yield Ending(subject=self._source.subjects[0], warnings=[*self._source.warnings, *self._odd[:1], *unlike])

    def _frames(self) -> Iterator[Frames]:
        """Yield the sampled frames, some of all streams at a time."""
        given = self._source.given
        together = InStep()
        for made in zip(*(self._made(stream) for stream in given), strict=True):
            frames = together.add(dict(zip(given, made, strict=True)))
            if len(frames[given[0]]):
                yield frames

    def _made(self, stream: Stream) -> Iterator[NDArray[np.uint8]]:
        """Yield a stream's sampled frames as the network takes them."""
        running, chosen = RunningClip(stream, self._request.spec), self._chosen[stream]
        portions = [chosen[first : first + _PORTION] for first in range(0, len(chosen), _PORTION)]
        for number, frames in enumerate(self._source.read(0, stream, portions), start=1):
            self._looks[stream].append(look_of(frames, stream))
            with file_named(self._streams, stream):
                if stream == "depth":
                    self._odd += odd_depth(frames, self._streams, self._request)
                yield running.add(frames, is_end=number == len(portions))


def _timed(source: FrameSource, request: ClipRequest) -> Part:
    """Return all that is meant of a recording; raises `MediaError` where nobody knows times."""
    if source.alignment.by != "time":
        raise MediaError("when its frames were taken is not known, so that nothing can be said of times; give fps")
    return source.alignment.whole(request.meta.start_s, request.meta.end_s)
