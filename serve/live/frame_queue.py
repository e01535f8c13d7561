"""Frames that have come and are not looked at yet: no more than can be, so that lag never grows."""

import asyncio
import time
from collections import deque

from serve.live.messages import PackedFrame

_MOST_FRAMES, _MOST_BYTES = 256, 64 << 20


class FrameQueue:
    """The frames of one session; those that are too far behind the newest are dropped, the oldest first."""

    def __init__(self, longest_s: float) -> None:
        """Hold frames that were taken no longer than `longest_s` apart."""
        self._longest_us = round(longest_s * 1e6)
        self._waiting: deque[PackedFrame] = deque()
        self._num_bytes = 0
        self._has_come = asyncio.Event()
        self._is_over = False
        self.num_frames = self.num_late = 0
        """How many have come, and how many of those were dropped."""
        self.newest_at = 0.0
        """When the last one came, by `time.perf_counter`."""

    def put(self, frame: PackedFrame) -> None:
        """Take a frame, and drop what is too old beside it."""
        self._waiting.append(frame)
        self._num_bytes += len(frame.payload)
        self.num_frames += 1
        self.newest_at = time.perf_counter()
        while len(self._waiting) > 1 and self._is_too_much(frame):
            self._num_bytes -= len(self._waiting.popleft().payload)
            self.num_late += 1
        self._has_come.set()

    def _is_too_much(self, newest: PackedFrame) -> bool:
        too_old = newest.time_us - self._waiting[0].time_us > self._longest_us
        return too_old or len(self._waiting) > _MOST_FRAMES or self._num_bytes > _MOST_BYTES

    @property
    def num_waiting(self) -> int:
        """How many have come and are neither taken nor dropped."""
        return len(self._waiting)

    def end(self) -> None:
        """Take note that no more frames come."""
        self._is_over = True
        self._has_come.set()

    async def take(self) -> list[PackedFrame]:
        """Return all frames that wait, at least one; none where no more come."""
        while not self._waiting and not self._is_over:
            self._has_come.clear()
            await self._has_come.wait()
        taken, self._waiting, self._num_bytes = list(self._waiting), deque(), 0
        return taken
