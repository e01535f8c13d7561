"""Clips of several requests through the network together."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from export.bundle import Stream
from export.runtimes import Runtime

Clips = Mapping[Stream, NDArray[np.uint8]]
Outputs = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Inferred:
    """One clip's outputs, float32 [N] by name, and how long it waited and was computed."""

    outputs: Outputs
    queue_ms: float
    inference_ms: float


@dataclass(frozen=True)
class _Waiting:
    clips: Clips
    answer: asyncio.Future[Inferred]
    since: float = field(default_factory=time.perf_counter)


class Batcher:
    """Computes what waits, up to `max_batch` clips at once, while the next clips gather; nothing waits for company."""

    def __init__(self, runtime: Runtime, max_batch: int) -> None:
        self._runtime, self._max_batch = runtime, max_batch
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue()  # bounded by the number of requests let in

    async def infer(self, clips: Clips) -> Inferred:
        """Return the network's answer to one clip, uint8 [T, size, size, 3] by stream."""
        waiting = _Waiting(clips, asyncio.get_running_loop().create_future())
        self._waiting.put_nowait(waiting)
        return await waiting.answer

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._max_batch and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            # Whoever waited too long has been answered already.
            batch = [item for item in batch if not item.answer.done()]
            if batch:
                await self._compute(batch)

    async def _compute(self, batch: list[_Waiting]) -> None:
        start = time.perf_counter()
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
        inference_ms = (time.perf_counter() - start) * 1000
        for row, item in enumerate(batch):
            if not item.answer.done():
                own = {name: values[row] for name, values in outputs.items()}
                item.answer.set_result(Inferred(own, (start - item.since) * 1000, inference_ms))
