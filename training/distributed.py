"""One process or many: who am I, where do I compute, and how do results come together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

T = TypeVar("T")


@dataclass(frozen=True)
class Process:
    """This process among those that train together."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def speaks(self) -> bool:
        """Whether this process prints and writes; only one does."""
        return self.rank == 0


@contextmanager
def process_group() -> Iterator[Process]:
    """Join the processes that torchrun started (NCCL on GPUs, gloo on CPUs), or stand alone without it."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if world_size == 1:
        yield Process(0, 1, device)
        return
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Process(dist.get_rank(), world_size, device)
        dist.barrier()  # nobody leaves while another still reads from it
    finally:
        dist.destroy_process_group()


def share_buffers(network: nn.Module, process: Process) -> None:
    """Give every process the running statistics of the first one, whose checkpoint they belong to."""
    if process.world_size > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)


def gather(value: T, process: Process) -> list[T]:
    """Return every process's `value`, in the order of their ranks."""
    if process.world_size == 1:
        return [value]
    values: list[T | None] = [None] * process.world_size
    dist.all_gather_object(values, value)
    return [value for value in values if value is not None]
