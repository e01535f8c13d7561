"""Streams of several threads, answered together."""

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from threading import Condition
from typing import Any
from weakref import WeakSet

from export.predictor.streams.sliding import Frames, Slider, SlidWindow

_GATHER_S = 0.02  # that a frame waits for those of other streams: four together take half as long as one by one


class _Waiting:
    """What one thread waits for: the windows of a stream, of which frames have come."""

    def __init__(self, state: Any, frames: Frames) -> None:
        self.coming = state, frames
        self.num_frames = len(next(iter(frames.values())))
        self.windows: Future[list[SlidWindow]] = Future()


class SharedSlider:
    """Lets any thread ask, and computes together what several of them ask for at the same time.

    Whoever has its turn computes for all who wait, as far as they bring as many frames; single frames, as cameras send
    them, wait for one another a moment. turns: held while the network computes, which whatever else uses it can hold,
    too.
    """

    def __init__(self, slider: Slider[Any], turns: AbstractContextManager[object]) -> None:
        self._slider, self._turns = slider, turns
        self.max_batch = slider.max_batch
        self._open: WeakSet[Any] = WeakSet()  # the states of streams that somebody has
        self._waiting: list[_Waiting] = []
        self._listing = Condition()  # held while those are read or changed; tells of whatever changes for who waits

    def begin(self, every: int) -> Any:
        """See `Slider.begin`."""
        state = self._slider.begin(every)
        with self._listing:
            self._open.add(state)
        return state

    def add(self, coming: Sequence[tuple[Any, Frames]]) -> list[list[SlidWindow]]:
        """See `Slider.add`."""
        mine = [_Waiting(state, frames) for state, frames in coming]
        with self._listing:
            self._waiting += mine
            self._listing.notify_all()
        for item in mine:
            self._gather(item)
            with self._turns:
                if not item.windows.done():
                    self._compute(item)
        return [item.windows.result() for item in mine]

    def end(self, state: Any) -> list[SlidWindow]:
        """See `Slider.end`."""
        with self._turns:
            return self._slider.end(state)

    def _gather(self, item: _Waiting) -> None:
        """Wait until all streams wait, or as many as can be computed together, or somebody has computed this one."""
        if item.num_frames > 1:
            return
        with self._listing:
            everybody = min(len(self._open), self.max_batch)
            self._listing.wait_for(lambda: item.windows.done() or len(self._waiting) >= everybody, _GATHER_S)

    def _compute(self, first: _Waiting) -> None:
        """Compute what has waited longest, this among it, and leave the rest to whoever waits for that."""
        with self._listing:
            others = [item for item in self._waiting if item is not first and item.num_frames == first.num_frames]
            batch = [first, *others[: self.max_batch - 1]]
            self._waiting = [item for item in self._waiting if item not in batch]
        try:
            found = self._slider.add([item.coming for item in batch])
        except BaseException as error:
            for item in batch:
                item.windows.set_exception(error)
        else:
            for item, windows in zip(batch, found, strict=True):
                item.windows.set_result(windows)
        with self._listing:
            self._listing.notify_all()
