"""SIGTERM and Ctrl-C end a run between two steps, with all of it saved; a second one ends it at once."""

import os
import signal
from types import FrameType, TracebackType
from typing import Self

import torch
import torch.distributed as dist

from training.distributed import Process

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether somebody has asked this run to stop, as a context."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._signal = 0

    def __enter__(self) -> Self:
        self._before = [signal.signal(number, self._note) for number in _SIGNALS]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in zip(_SIGNALS, self._before, strict=True):
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number
        # torchrun passes on what its processes have got from the terminal already, and kills those that take too long.
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            for each in _SIGNALS:
                signal.signal(each, signal.SIG_DFL)

    def agreed(self) -> int:
        """Return the signal that any of the processes has got, 0 for none; all of them must ask after the same step."""
        if self._process.world_size == 1:
            return self._signal
        highest = torch.tensor(self._signal, device=self._process.device)
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        return int(highest)
