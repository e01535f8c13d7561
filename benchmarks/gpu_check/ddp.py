"""A step in a group of one process, with NCCL and SyncBatchNorm on a GPU, beside the same step without a group."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from benchmarks.gpu_check.networks import config_of, seeded_clips, seeded_network, use_tf32
from benchmarks.gpu_check.rows import Row, compared, failed, measured
from training.data.loader import Batch
from training.run.distributed import Process
from training.run.step import Stepper

_LIMIT = 1e-2
_BATCH = 2


def check(device: str, folder: Path) -> Iterator[Row]:
    use_tf32(False)
    place = torch.device(device, 0)
    alone, _ = _moved(device, Process(0, 1, place))
    backend = "nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, init_method=f"file://{folder / 'group'}", rank=0, world_size=1)
    try:
        # As one of two, or training would leave the group out; NCCL refuses two processes on one GPU.
        grouped, num_layers = _moved(device, Process(0, 2, place))
    finally:
        dist.destroy_process_group()
    if device == "cuda" and not num_layers:
        yield failed("SyncBatchNorm", "no batch norm became one")
    elif device == "cuda":
        yield measured("layers of SyncBatchNorm", num_layers, "")
    distance = float((grouped - alone).norm() / alone.norm())
    yield compared(f"step with {backend}, from one without", distance, _LIMIT)


def _moved(device: str, process: Process) -> tuple[Tensor, int]:
    """Return how a step changes the weights, in one row, and how many layers of SyncBatchNorm took part."""
    config = config_of(device, "dsn", "rgb")
    network = seeded_network(config)
    before = _row(network)
    stepper = Stepper(network, config, process)
    labels = torch.arange(_BATCH)
    batch = Batch(seeded_clips(config, _BATCH), labels, labels)
    stepper.step([batch], [np.random.default_rng(0)], epoch=config.schedule.warmup_epochs + 1)
    return _row(network) - before, sum(isinstance(each, nn.SyncBatchNorm) for each in network.modules())


def _row(network: nn.Module) -> Tensor:
    return torch.cat([each.detach().flatten().cpu() for each in network.parameters()])
