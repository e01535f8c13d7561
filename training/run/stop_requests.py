"""SIGTERM and Ctrl-C end a run between two steps, with all of it saved, in all of its processes."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from rgbd.interrupt import noted
from training.run.distributed import Process


class StopRequest:
    """Whether somebody has asked this run to stop."""

    def __init__(self, process: Process, first_signal: Callable[[], int]) -> None:
        self._process, self._first_signal = process, first_signal

    def agreed(self) -> int:
        """Return the signal that any of the processes has got, 0 for none; all of them must ask after the same step."""
        if self._process.world_size == 1:
            return self._first_signal()
        highest = torch.tensor(self._first_signal(), device=self._process.device)
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        return int(highest)


@contextmanager
def stop_requested(process: Process) -> Iterator[StopRequest]:
    """Take SIGTERM and Ctrl-C within the block for requests to stop; another one, later, ends the process at once."""
    # torchrun passes on what its processes have got from the terminal already, and kills those that take too long.
    with noted(second_ends="TORCHELASTIC_RUN_ID" not in os.environ) as first_signal:
        yield StopRequest(process, first_signal)
