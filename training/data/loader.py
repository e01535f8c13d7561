"""Processed clips -> batches of uint8 clips, in loader processes."""

import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, popen_forkserver
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from rgbd.dataset.layouts import Split
from rgbd.errors import UserError
from rgbd.interrupt import CTRL_C, KILLED, SIGTERM, blocked_in_new_processes
from training.config.schema import TrainingConfig
from training.data.dataset import ClipDataset, Draw, Sample, View

_END_S = 5.0  # within which it is known of a loader process that it has ended


class Batch(NamedTuple):
    """Clips as uint8 [B, T, size, size, 3] per stream, int64 labels [B], and the clips' places in the split [B]."""

    clips: tuple[Tensor, ...]
    labels: Tensor
    indices: Tensor


class _ShardSampler(Sampler[list[Draw]]):
    """Batches of one process's share of the clips; shuffled anew in every epoch when training."""

    def __init__(
        self, config: TrainingConfig, labels: Sequence[int], *, rank: int, world_size: int, train: bool
    ) -> None:
        self._config, self._labels, self._length, self._train = config, labels, len(labels), train
        self._rank, self._world_size = rank, world_size
        self.how: int | View = 0
        self.skipped = 0

    def __iter__(self) -> Iterator[list[Draw]]:
        size = self._config.batch_size
        if not self._train:
            size = self._config.data.eval_batch_size or size
        share = self._share()
        batches = [share[start : start + size] for start in range(0, len(share), size)]
        if self._train and len(batches[-1]) == 1:
            batches.pop()  # batch norm cannot learn from a single clip
        return iter([[Draw(int(index), self.how) for index in batch] for batch in batches[self.skipped :]])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _share(self) -> list[int]:
        order = np.arange(self._length)
        if not self._train:
            # No padding: shares may differ by one clip, and every clip is evaluated exactly once.
            return order[self._rank :: self._world_size].tolist()
        assert isinstance(self.how, int)
        rng = np.random.default_rng([self._config.seed, self.how])
        if self._config.data.sampling == "balanced":
            order = balanced_order(self._labels, rng)
        rng.shuffle(order)
        # All processes take the same number of steps, because they wait for each other in every one.
        even = self._length // self._world_size * self._world_size
        return order[:even][self._rank :: self._world_size].tolist()


def balanced_order(labels: Sequence[int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return places of as many clips of each class as can be, int64 [len(labels)]; classes draw for what is over.

    Of a class no clip comes again before all of it have come.
    """
    places = [np.flatnonzero(np.array(labels) == label) for label in np.unique(labels)]
    shares = np.full(len(places), len(labels) // len(places))
    shares[rng.permutation(len(places))[: len(labels) % len(places)]] += 1
    rounds = zip(places, shares.tolist(), strict=True)
    return np.concatenate(
        [
            np.concatenate([rng.permutation(mine) for _ in range(-(-share // len(mine)))])[:share]
            for mine, share in rounds
        ]
    )


class Loader:
    """Batches of one process's share of a split; iterate over `epoch(n)`."""

    def __init__(self, config: TrainingConfig, split: Split, *, rank: int, world_size: int) -> None:
        self.dataset = ClipDataset(config, split)
        train = split == "train"
        labels = [entry.label for entry in self.dataset.entries]
        self._sampler = _ShardSampler(config, labels, rank=rank, world_size=world_size, train=train)
        self._num_batches = len(self._sampler)
        self._config, self._context = config, _LoaderContext()
        if config.data.num_workers:
            _start_forkserver()
        self._loader = DataLoader(
            self.dataset,
            batch_sampler=self._sampler,
            num_workers=config.data.num_workers,
            multiprocessing_context=self._context if config.data.num_workers else None,
            collate_fn=_collate,
            worker_init_fn=_start_loader_process,
            persistent_workers=config.data.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return self._num_batches

    def epoch(self, number: int, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of one epoch of training but for the first `skip`.

        Raises `UserError` for an unusable clip, and where a loader process was killed.
        """
        return self._batches(number, skip)

    def evaluation(self, view: View) -> Iterator[Batch]:
        """Yield every clip of the split in one view. Raises `UserError` for an unusable clip."""
        return self._batches(view, 0)

    def _batches(self, how: int | View, skip: int) -> Iterator[Batch]:
        self._sampler.how, self._sampler.skipped = how, skip
        with self._explained():
            for batch in self._loader:
                if isinstance(batch, UserError):
                    raise batch
                yield batch

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of a loader process that has ended how it did, and what to do."""
        try:
            yield
        except (RuntimeError, OSError, EOFError) as error:  # what torch says, or its end of a pipe: nothing of a reason
            wait([process.sentinel for process in self._context.started], timeout=_END_S)
            codes = {process.exitcode for process in self._context.started} - {None, 0}
            if not codes:
                raise
            data, size = self._config.data, self._config.batch_size
            if KILLED in codes:
                raise UserError(
                    "a loader process was killed, probably by the system for want of memory; lower data.num_workers "
                    f"(now {data.num_workers} for each training process) or, in evaluation, data.eval_batch_size (now "
                    f"{data.eval_batch_size or size}), and go on with --resume auto, or begin anew with a smaller "
                    f"batch_size (now {size})"
                ) from error
            raise UserError(
                f"a loader process has crashed (exit code {min(filter(None, codes))}), perhaps over a broken file; try "
                "data.num_workers 0, with which the clip can be found, and go on with --resume auto"
            ) from error


def _collate(samples: list[Sample] | UserError) -> Batch | UserError:
    if isinstance(samples, UserError):
        return samples
    streams, labels, indices = zip(*samples, strict=True)
    clips = tuple(torch.stack(stream) for stream in zip(*streams, strict=True))
    return Batch(clips, torch.tensor(labels), torch.tensor(indices))


def _start_loader_process(_worker: int) -> None:
    cv2.setNumThreads(1)  # the loader's processes are the parallelism
    threading.Thread(target=_end_with_trainer, daemon=True).start()


def _end_with_trainer() -> None:
    # torch watches the process that this one was forked from: the fork server, which lasts as long as this one does.
    trainer = multiprocessing.parent_process()
    assert trainer is not None
    trainer.join()
    os._exit(1)


class _Popen(popen_forkserver.Popen):
    """Ends a loader process for good: SIGTERM does not reach it."""

    def terminate(self) -> None:
        self.kill()


class _LoaderProcess(ForkServerProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> _Popen:  # noqa: N802  # multiprocessing's name
        return _Popen(process_obj)


class _LoaderContext(ForkServerContext):
    """Forked from a server: plain forks would inherit locks of OpenCV's and torch's threads in whatever state."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[_LoaderProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> _LoaderProcess:  # type: ignore[override]  # noqa: N802
        """Return a process that is still to be started."""
        process = _LoaderProcess(*args, **kwargs)
        self.started.append(process)
        return process


def _start_forkserver() -> None:
    """Start what loader processes are forked from, so that neither it nor they get Ctrl-C or SIGTERM.

    The run that is asked to stop still needs its clips for the step that it is in. The server imports what each of them
    would, PyTorch above all, which takes seconds.
    """
    forkserver.set_forkserver_preload([__name__])
    with blocked_in_new_processes(CTRL_C, SIGTERM):
        forkserver.ensure_running()
