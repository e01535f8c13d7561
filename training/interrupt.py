"""SIGTERM and Ctrl-C end a run between two steps, with all of it saved; another one, later, ends it at once."""

import os
import signal
import time
from types import FrameType, TracebackType
from typing import Self

import torch
import torch.distributed as dist

from training.distributed import Process

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SAME_REQUEST_S = 1.0  # `timeout` and schedulers signal the process and then its group: within this time it is one


class StopRequest:
    """Whether somebody has asked this run to stop, as a context."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._signal = 0
        self._came = 0.0

    def __enter__(self) -> Self:
        self._before = [signal.signal(number, self._note) for number in _SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in zip(_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._signal:
            self._signal, self._came = number, now
        # torchrun passes on what its processes have got from the terminal already, and kills those that take too long.
        elif now - self._came > _SAME_REQUEST_S and "TORCHELASTIC_RUN_ID" not in os.environ:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def agreed(self) -> int:
        """Return the signal that any of the processes has got, 0 for none; all of them must ask after the same step."""
        if self._process.world_size == 1:
            return self._signal
        highest = torch.tensor(self._signal, device=self._process.device)
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        return int(highest)
