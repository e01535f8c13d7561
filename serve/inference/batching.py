"""Clips of several requests through the network together, and only those that can be answered in time."""

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from export.runtimes import Outputs
from rgbd.types import Stream
from serve.concurrency.threads import in_thread
from serve.inference.batch_observer import BatchObserver
from serve.inference.served_model import ServedModel

Clips = Mapping[Stream, NDArray[np.uint8]]

_log = logging.getLogger("serve")


class TooLateError(Exception):
    """A clip could not be computed before its deadline, and was not."""


class InferenceError(Exception):
    """A clip's batch failed. What failed is the cause, and never raised itself: it could be taken for a refusal."""


@dataclass(frozen=True)
class Inferred:
    """One clip's outputs, float32 [N] by name, and how long it waited and was computed."""

    outputs: Outputs
    queue_ms: float
    inference_ms: float


@dataclass(frozen=True, eq=False)
class _Waiting:
    model: ServedModel
    clips: Clips
    deadline: float
    answer: asyncio.Future[Inferred]
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Computes what waits, first come first served, up to `max_batch` clips of a model at once.

    A batch that is not full waits up to `max_delay_s` for more clips. `observer` is told of each batch. `run` is called
    for each of `num_devices`, which take their batches from one queue. Deadlines are times of the event loop.
    """

    def __init__(self, max_batch: int, max_delay_s: float, observer: BatchObserver, num_devices: int = 1) -> None:
        self._max_batch, self._max_delay_s, self._observer = max_batch, max_delay_s, observer
        self._num_devices = num_devices
        self._waiting: deque[_Waiting] = deque()  # bounded by the number of requests let in
        self._arrived = asyncio.Event()
        self._busy_until: dict[_Waiting, float] = {}  # by the first clip of each batch at work

    @property
    def num_waiting(self) -> int:
        """Clips in the queue."""
        return len(self._waiting)

    def expected_s(self, coming: Counter[ServedModel]) -> float:
        """Return in how many seconds all is expected to be computed: what is at work, what waits, and what is coming.

        `coming` counts the clips of each model that do not wait here yet.
        """
        now = time.perf_counter()
        at_work = sum(max(0.0, until - now) for until in self._busy_until.values())
        clips = coming + Counter(item.model for item in self._waiting)
        waiting = sum(self._seconds(model, num_clips) for model, num_clips in clips.items())
        return (at_work + waiting) / self._num_devices

    async def infer(self, model: ServedModel, clips: Clips, deadline: float = math.inf) -> Inferred:
        """Return a model's answer to one clip, uint8 [T, H, W, 3] by stream.

        Raises `TooLateError` where it is not expected by the deadline, and `InferenceError` where its batch fails,
        whatever the reason. Cancelled, it leaves the queue.
        """
        waiting = _Waiting(model, clips, deadline, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        try:
            return await waiting.answer
        finally:
            if waiting in self._waiting:  # nobody waits for it any more
                self._waiting.remove(waiting)

    async def run(self) -> None:
        """Work until cancelled; raises where no thread can be started, and can be called again then."""
        while True:
            await self._gather()
            await self._work()

    async def _work(self) -> None:
        """Compute the next batch; of its own, so that nothing keeps the clips, or their model, while none waits."""
        batch = self._next_batch()
        for item in batch:
            self._waiting.remove(item)
        try:
            if in_time := self._in_time(batch):
                await self._compute(in_time)
        finally:
            _fail(batch, RuntimeError("what computes clips has failed"))

    def _seconds(self, model: ServedModel, num_clips: int) -> float:
        """Return how long so many clips are expected to take, in batches as large as may be."""
        largest = self._largest(model)
        full, rest = divmod(num_clips, largest)
        return full * model.latency.seconds(largest) + model.latency.seconds(rest)

    def _largest(self, model: ServedModel) -> int:
        return min(self._max_batch, model.max_batch)

    def _next_batch(self) -> list[_Waiting]:
        """Return the clip that has waited longest, and those that can be computed together with it."""
        model = self._waiting[0].model
        return list(islice((item for item in self._waiting if item.model is model), self._largest(model)))

    async def _gather(self) -> None:
        """Return when a batch is full, or its first clip has waited long enough."""
        while (left_s := self._left_s()) is None or left_s > 0:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left_s)

    def _left_s(self) -> float | None:
        """Return for how many seconds the next batch waits for more clips: None while no clip waits."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        if len(self._next_batch()) == self._largest(first.model):
            return 0.0
        return first.since + self._max_delay_s - time.perf_counter()

    def _in_time(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Return the clips that can be answered in time; the others are told."""
        done = asyncio.get_running_loop().time() + batch[0].model.latency.seconds(len(batch))
        for item in batch:
            if item.deadline < done and not item.answer.done():
                item.answer.set_exception(TooLateError())
        return [item for item in batch if not item.answer.done()]

    async def _compute(self, batch: list[_Waiting]) -> None:
        """Answer a batch, also where it fails; raises where no thread can be started for it."""
        model, size, start = batch[0].model, len(batch), time.perf_counter()
        # Not in the common pool, where the network would wait behind files that are put down.
        work = in_thread("network", _infer, model, [item.clips for item in batch])
        self._busy_until[batch[0]] = start + model.latency.seconds(size)
        try:
            outputs = await work
            seconds = time.perf_counter() - start
            self._observer.computed(model, [start - item.since for item in batch], seconds)
            for row, item in enumerate(batch):
                if not item.answer.done():
                    own = {name: values[row] for name, values in outputs.items()}
                    item.answer.set_result(Inferred(own, (start - item.since) * 1000, seconds * 1000))
        except Exception as error:  # a runtime's errors have no common type
            _log.exception("%d clips of %s %s could not be computed", size, model.name, model.version)
            self._observer.failed(model, size, time.perf_counter() - start)
            _fail(batch, error)
        finally:
            del self._busy_until[batch[0]]


def _fail(batch: list[_Waiting], error: Exception) -> None:
    """Tell the clips of a batch that have no answer yet that they get none, because of the error."""
    for item in batch:
        if not item.answer.done():
            failure = InferenceError("this clip's batch could not be computed")
            failure.__cause__ = error
            item.answer.set_exception(failure)


def _infer(model: ServedModel, batch: list[Clips]) -> Outputs:
    # In a thread, with the copying: tens of megabytes a clip must not keep the service from answering.
    stacked: dict[str, NDArray[np.uint8]] = {stream: _stack([clips[stream] for clips in batch]) for stream in batch[0]}
    with model.turns:
        return model.infer(stacked)


def _stack(clips: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return clips[0][None] if len(clips) == 1 else np.stack(clips)
