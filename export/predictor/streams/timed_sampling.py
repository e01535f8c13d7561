"""Frames with time stamps, as cameras send them -> sampled frames of all streams, at even times."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from export.predictor.arguments import is_finite, shown
from rgbd.errors import MediaError
from rgbd.types import Stream

Item = TypeVar("Item")
"""A frame, or what it is packed in."""

_SAME_S = 1e-6  # time stamps count microseconds


@dataclass(frozen=True, eq=False)
class Sampled(Generic[Item]):
    """What stands for one moment: a frame of each stream.

    begins: whether it is the first of all, or behind a pause.
    """

    time_s: float
    frames: Mapping[Stream, Item]
    begins: bool


@dataclass(eq=False)
class _Waiting(Generic[Item]):
    """A frame that has come, and whether it has stood for a moment already."""

    time_s: float
    frame: Item
    is_used: bool = False


class TimedSampler(Generic[Item]):
    """Takes frames as they come; a moment comes every `interval_s` from the first that all streams show.

    As evaluation does it, the first stream's frame is the one nearest to the moment, and each other stream's the one
    nearest to that. Where a stream is slow, a frame stands for several moments. Where one pauses for longer than
    `patience_s`, moments begin anew behind the pause; frames of the others wait for as long.
    """

    def __init__(self, streams: Sequence[Stream], interval_s: float, patience_s: float) -> None:
        self._interval_s, self._patience_s = interval_s, patience_s
        self._waiting: dict[Stream, deque[_Waiting[Item]]] = {stream: deque() for stream in streams}
        self._due_s: float | None = None  # the next moment; None before the first, and behind a pause
        self.num_unpaired = 0
        """Frames that have waited in vain for those of another stream."""

    def add(self, stream: Stream, time_s: float, frame: Item) -> Iterator[Sampled[Item]]:
        """Yield the moments that are known now that a frame has come.

        Raises `MediaError` for one of a stream that was not announced, or that was taken before the last of its stream.
        """
        if stream not in self._waiting:
            raise MediaError(f"{stream}: no such stream was announced; announce it, or leave it out")
        if not is_finite(time_s):
            raise MediaError(f"{stream}: a frame was taken at {shown(time_s)}, which is no time in seconds")
        waiting = self._waiting[stream]
        if waiting and time_s < waiting[-1].time_s:
            raise MediaError(
                f"{stream}: a frame of {time_s:.6f} s came after one of {waiting[-1].time_s:.6f} s; send frames in the "
                "order in which they were taken"
            )
        waiting.append(_Waiting(time_s, frame))
        while time_s - waiting[0].time_s > self._patience_s:
            self._due_s = None
            self.num_unpaired += not waiting.popleft().is_used
        self._forget_passed()
        return self._moments(is_end=False)

    @property
    def waiting(self) -> list[Item]:
        """The frames that may stand for a moment yet."""
        return [item.frame for waiting in self._waiting.values() for item in waiting]

    def end(self) -> Iterator[Sampled[Item]]:
        """Yield the moments that waited for frames which do not come."""
        return self._moments(is_end=True)

    def _forget_passed(self) -> None:
        """Let go of frames before the next moment that have a nearer one behind them."""
        wanted_s = self._due_s
        for waiting in self._waiting.values():
            if wanted_s is None or not waiting:
                return
            while len(waiting) > 1 and waiting[1].time_s <= wanted_s:
                waiting.popleft()
            wanted_s = min(wanted_s, waiting[0].time_s)  # what the other streams' frames have to be near to, at least

    def _moments(self, *, is_end: bool) -> Iterator[Sampled[Item]]:
        while all(self._waiting.values()):
            begins = self._due_s is None
            due_s = max(waiting[0].time_s for waiting in self._waiting.values()) if self._due_s is None else self._due_s
            last_s = min(waiting[-1].time_s for waiting in self._waiting.values())
            if is_end and due_s > last_s + self._interval_s / 2:
                return
            places = self._places(due_s, is_end=is_end)
            if places is None:
                return
            chosen = {stream: self._take(stream, place) for stream, place in places.items()}
            self._due_s = due_s + self._interval_s
            yield Sampled(due_s, chosen, begins)

    def _places(self, due_s: float, *, is_end: bool) -> dict[Stream, int] | None:
        """Return which waiting frames of each stream stand for a moment; None where nearer ones may come."""
        places: dict[Stream, int] = {}
        wanted_s = due_s
        for stream, waiting in self._waiting.items():
            if waiting[-1].time_s < wanted_s - _SAME_S and not is_end:
                return None
            apart = [abs(item.time_s - wanted_s) for item in waiting]
            places[stream] = apart.index(min(apart))
            if len(places) == 1:
                wanted_s = waiting[places[stream]].time_s
        return places

    def _take(self, stream: Stream, place: int) -> Item:
        """Return a frame that waits at a place; those before it are let go, and it may stand for the next moment."""
        waiting = self._waiting[stream]
        for _ in range(place):
            waiting.popleft()
        waiting[0].is_used = True
        return waiting[0].frame
