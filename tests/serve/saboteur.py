"""`python -m tests.serve.saboteur PART [NUMBER]`: the service, with a part of it broken."""

import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from preprocess.errors import run_command
from serve import batcher
from serve.__main__ import main


class ClosedPool(ThreadPoolExecutor):
    """A thread that takes no work."""

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        self.shutdown()
        return super().submit(*args, **kwargs)


def break_network(num_times: int) -> None:
    """Have the network's thread take no work, so many times."""
    pools = [ClosedPool] * num_times

    def make_pool(*args: Any) -> ThreadPoolExecutor:
        return pools.pop()(*args) if pools else ThreadPoolExecutor(*args)

    batcher.ThreadPoolExecutor = make_pool  # type: ignore[misc, assignment]


def break_decoders() -> None:
    """Have decoder processes end before they do anything."""
    multiprocessing.set_executable("/bin/false")


if __name__ == "__main__":
    part = sys.argv.pop()
    break_decoders() if part == "decoders" else break_network(int(part.removeprefix("network")))
    run_command(main)
