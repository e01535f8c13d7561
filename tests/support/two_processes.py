"""Two processes of one training, as torchrun starts them, for what only both together show."""

import multiprocessing
import os
from collections.abc import Callable

from benchmarks.support.ports import free_port


def in_two_processes(function: Callable[[int], None]) -> None:
    """Run `function(rank)` in two new processes that know of each other; raises `AssertionError` where one fails."""
    port = free_port()
    context = multiprocessing.get_context("spawn")  # a fork has the locks of this process's threads, in whatever state
    processes = [context.Process(target=_one, args=(function, rank, port), daemon=True) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]


def _one(function: Callable[[int], None], rank: int, port: int) -> None:
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}
    function(rank)
