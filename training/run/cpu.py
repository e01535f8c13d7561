"""How a process uses the processor and the memory of its machine where there is no GPU."""

import ctypes
import os

import torch

from training.run.distributed import Process

# Of glibc's mallopt.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER = -1


def prepare_cpu(process: Process) -> None:
    """Share this machine's cores among its processes, unless OMP_NUM_THREADS says otherwise, and keep freed memory."""
    if process.device.type != "cpu":
        return
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    keep_memory()


def keep_memory() -> None:
    """Keep what is freed for what is allocated next, instead of giving it back to the system.

    Each step of training takes gigabytes in pieces of many megabytes. By default glibc returns each of them when it is
    freed, and the system clears every page again: a third of a step's time. Elsewhere than with glibc, nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
