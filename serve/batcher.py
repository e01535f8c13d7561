"""Clips of several requests through the network together, and only those that can be answered in time."""

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from export.bundle import Stream
from export.runtimes import Runtime
from serve.pace import Pace

Clips = Mapping[Stream, NDArray[np.uint8]]
Outputs = dict[str, NDArray[np.float32]]


class TooLateError(Exception):
    """A clip could not be computed before its deadline, and was not."""


@dataclass(frozen=True)
class Inferred:
    """One clip's outputs, float32 [N] by name, and how long it waited and was computed."""

    outputs: Outputs
    queue_ms: float
    inference_ms: float


@dataclass(frozen=True, eq=False)
class _Waiting:
    clips: Clips
    deadline: float
    answer: asyncio.Future[Inferred]
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Computes what waits, up to `max_batch` clips at once, while the next clips gather.

    A batch that is not full waits up to `max_delay_s` for company. `observe` is told the size of each batch. Times are
    those of `time.perf_counter`.
    """

    def __init__(self, runtime: Runtime, max_batch: int, max_delay_s: float, observe: Callable[[int], None]) -> None:
        self._runtime, self._max_batch, self._max_delay_s, self._observe = runtime, max_batch, max_delay_s, observe
        self._waiting: deque[_Waiting] = deque()  # bounded by the number of requests let in
        self._arrived = asyncio.Event()
        self._pace = Pace()
        self._busy_until = 0.0

    @property
    def num_waiting(self) -> int:
        """Clips in the queue."""
        return len(self._waiting)

    def expected_s(self, num_ahead: int) -> float:
        """Return in how many seconds a clip is expected to be answered that comes behind `num_ahead` others."""
        full, rest = divmod(num_ahead, self._max_batch)
        at_work = max(0.0, self._busy_until - time.perf_counter())
        return at_work + full * self._pace.seconds(self._max_batch) + self._pace.seconds(rest + 1)

    async def infer(self, clips: Clips, deadline: float = math.inf) -> Inferred:
        """Return the network's answer to one clip, uint8 [T, H, W, 3] by stream.

        Raises `TooLateError` where it is not expected by the deadline. Cancelled, it leaves the queue.
        """
        waiting = _Waiting(clips, deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        try:
            return await waiting.answer
        finally:
            if waiting in self._waiting:  # nobody waits for it any more
                self._waiting.remove(waiting)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._gather()
            batch = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
            if batch := self._in_time(batch):
                await self._compute(batch)

    async def _gather(self) -> None:
        """Return when a batch is full, or its first clip has waited long enough."""
        while True:
            self._arrived.clear()
            if self._waiting:
                left = self._waiting[0].since + self._max_delay_s - time.perf_counter()
                if left <= 0 or len(self._waiting) >= self._max_batch:
                    return
            else:
                left = None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)

    def _in_time(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Return the clips that can be answered in time; the others are told."""
        done = time.perf_counter() + self._pace.seconds(len(batch))
        for item in batch:
            if item.deadline < done and not item.answer.done():
                item.answer.set_exception(TooLateError())
        return [item for item in batch if not item.answer.done()]

    async def _compute(self, batch: list[_Waiting]) -> None:
        start = time.perf_counter()
        self._busy_until = start + self._pace.seconds(len(batch))
        inputs: dict[str, NDArray[np.uint8]] = {
            stream: np.stack([item.clips[stream] for item in batch]) for stream in batch[0].clips
        }
        try:
            outputs = await asyncio.to_thread(self._runtime.infer, inputs)
        except Exception as error:  # a runtime's errors have no common type; each waiting request reports this one
            for item in batch:
                if not item.answer.done():
                    item.answer.set_exception(error)
            return
        finally:
            self._busy_until = 0.0
        seconds = time.perf_counter() - start
        self._observe(len(batch))
        self._pace.note(len(batch), seconds)
        for row, item in enumerate(batch):
            if not item.answer.done():
                own = {name: values[row] for name, values in outputs.items()}
                item.answer.set_result(Inferred(own, (start - item.since) * 1000, seconds * 1000))
