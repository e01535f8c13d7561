"""The places for streams: how many there may be at a time, each with a process."""

from collections.abc import Iterator
from contextlib import contextmanager

from serve.errors import TooManyStreamsError
from serve.live.stream_process import StreamProcess

_MOST_LOAD = 0.9  # of the device


class Places:
    """Gives places to streams, as many as the settings allow and the device can follow.

    The first is never refused for what the device can follow.
    """

    def __init__(self, max_streams: int, memory_mb: int, cpu_s: int) -> None:
        self._max_streams, self._memory_mb, self._cpu_s = max_streams, memory_mb, cpu_s
        self._idle: list[StreamProcess] = []
        self._loads: dict[StreamProcess, float] = {}  # the share of the device that each one takes

    @property
    def num_taken(self) -> int:
        """How many places are taken."""
        return len(self._loads)

    @contextmanager
    def take(self, load: float) -> Iterator[StreamProcess]:
        """Yield a process, not started perhaps, for the length of the block; raises 429 where there is no place.

        load: the share of the device that the stream needs to be followed.
        """
        self._check_room(load)
        process = self._idle_process() or StreamProcess(self._memory_mb, self._cpu_s)
        self._loads[process] = load
        try:
            yield process
        finally:
            del self._loads[process]
            if process.is_idle:
                self._idle.append(process)
            else:
                process.kill()

    def close(self) -> None:
        """End the processes of the streams that have ended."""
        for process in self._idle:
            process.kill()

    def _idle_process(self) -> StreamProcess | None:
        self._idle = [process for process in self._idle if process.is_idle]
        return self._idle.pop() if self._idle else None

    def _check_room(self, load: float) -> None:
        if self.num_taken >= self._max_streams:
            raise TooManyStreamsError(
                f"all {self._max_streams} places for live streams and time lines are taken; come back when one has "
                "ended"
            )
        if self._loads and sum(self._loads.values()) + load > _MOST_LOAD:
            raise TooManyStreamsError(
                f"{self.num_taken} live streams are open, and the device can follow no more; come back when one has "
                "ended"
            )
