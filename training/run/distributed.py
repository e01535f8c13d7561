"""One process or many: who am I, where do I compute, and how do results come together."""

import gc
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
import torch.distributed.nn.functional  # before there is a group, or defaults of its functions would keep that for ever
from torch import nn
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]  # torch forgot to export them

from rgbd.errors import UserError
from rgbd.interrupt import end_at_sigterm, ignore_sigterm

T = TypeVar("T")


@dataclass(frozen=True)
class Process:
    """This process among those that train together."""

    rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that prints and writes."""
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
    rank = int(os.environ["RANK"])
    end_at_sigterm()  # torchrun sends it to the others when one has failed, and they wait for that one in C++
    dist.init_process_group("nccl" if cuda else "gloo", store=_store(world_size), rank=rank, world_size=world_size)
    try:
        yield Process(rank, world_size, device)
        dist.barrier()  # nobody leaves while another still reads from it
    except BaseException as error:
        if isinstance(error, UserError):
            ignore_sigterm()  # torchrun ends the others as soon as the first has ended; these are about to say the same
        _let_go(error)
        raise
    finally:
        # The last reference to the group ends gloo's threads. One that still has to drop a tensor when Python ends
        # would abort the process (SIGABRT, "terminate called without an active exception").
        gc.collect()
        dist.destroy_process_group()


def _let_go(error: BaseException) -> None:
    """Forget the variables of the functions that an error ended, among them the network that holds the group."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__context__


def _store(world_size: int) -> Store | None:
    """Return where this attempt's processes find each other; None leaves that to torch.

    torchrun keeps one store for all attempts, and torch its addresses under the same names in it: after a worker was
    killed, the new ones would find addresses of the old, and wait for those. How often one node's workers were started
    again the others do not know, so that several nodes need what docs/training.md says.
    """
    environment = os.environ
    if environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True" or environment["GROUP_WORLD_SIZE"] != "1":
        return None
    store = TCPStore(environment["MASTER_ADDR"], int(environment["MASTER_PORT"]), world_size, is_master=False)
    return PrefixStore(f"attempt {environment['TORCHELASTIC_RESTART_COUNT']}", store)


def share_buffers(network: nn.Module, process: Process) -> None:
    """Give every process the running statistics of the first one, whose checkpoint they belong to."""
    if process.world_size > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)


def all_agree(value: bool, process: Process) -> bool:
    """Return whether `value` is true in every process."""
    if process.world_size == 1:
        return value
    lowest = torch.tensor(int(value), device=process.device)
    dist.all_reduce(lowest, dist.ReduceOp.MIN)
    return bool(lowest)


def gather(value: T, process: Process) -> list[T]:
    """Return every process's `value`, in the order of their ranks."""
    if process.world_size == 1:
        return [value]
    values: list[T | None] = [None] * process.world_size
    dist.all_gather_object(values, value)
    return [value for value in values if value is not None]


@contextmanager
def raised_everywhere(process: Process) -> Iterator[None]:
    """Have a `UserError` that is raised within the block in one process raised by all, at the block's end."""
    problem = ""
    try:
        yield
    except UserError as error:
        problem = str(error)
    if problem := "".join(gather(problem, process)):
        raise UserError(problem)
