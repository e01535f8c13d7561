"""Processed clips -> batches of uint8 clips, in loader processes."""

import multiprocessing
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import forkserver, popen_forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from rgbd.clip.appearance import Appearance, appearance_of, look_of
from rgbd.clip.build import build_clip
from rgbd.clip.sampling import bin_centres, draw_per_bin, spread_per_bin
from rgbd.clip.spec import ClipSpec, Geometry, centred_geometry
from rgbd.dataset.layouts import DATASETS, Split
from rgbd.dataset.reading import open_clips, read_frames
from rgbd.dataset.shards import SHARDS_FOLDER
from rgbd.dataset.splits import SplitEntry, read_class_names, read_split
from rgbd.errors import MediaError, UserError
from rgbd.interrupt import CTRL_C, SIGTERM, blocked_in_new_processes
from rgbd.types import Stream
from training.augment import draw_geometry
from training.config import DataConfig, TrainingConfig

_NUM_LOOKED_AT = 64  # clips, of which
_FRAMES_LOOKED_AT = 4


class Batch(NamedTuple):
    """Clips as uint8 [B, T, size, size, 3] per stream, int64 labels [B], and the clips' places in the split [B]."""

    clips: tuple[Tensor, ...]
    labels: Tensor
    indices: Tensor


class View(NamedTuple):
    """How evaluation looks at a clip: at which share of each bin of frames, None for its middle; mirrored or not."""

    share: float | None = None
    flip: bool = False


class Draw(NamedTuple):
    """Which clip to load: as training draws it in an epoch, or in one of evaluation's views."""

    clip_index: int
    how: int | View


_Sample = tuple[tuple[Tensor, ...], int, int]


class ClipDataset(Dataset[_Sample]):
    """One half of a split. A clip's random draws depend on (seed, epoch, clip) only, not on the loader process."""

    def __init__(self, config: TrainingConfig, split: Split) -> None:
        self._config = config
        self._reader = open_clips(config.data.root, DATASETS[config.data.dataset])
        self.entries = read_entries(config.data, split)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitems__(self, draws: list[Draw]) -> list[_Sample] | UserError:
        """Load the clips of one batch, or return what is wrong with one of them.

        Returned, because torch would bury what a loader process raises in that process's traceback.
        """
        try:
            return [self[draw] for draw in draws]
        except UserError as error:
            return error

    def __getitem__(self, draw: Draw) -> _Sample:
        """Load one clip: its streams as uint8 [T, size, size, 3], its label and its place in the split."""
        entry, clip = self.entries[draw.clip_index], self._config.clip
        if isinstance(draw.how, View):
            frames, geometry = _view(entry.num_frames, clip, draw.how)
        else:
            rng = np.random.default_rng([self._config.seed, draw.how, draw.clip_index])
            frames = draw_per_bin(entry.num_frames, clip.num_frames, rng)
            geometry = draw_geometry(clip, self._config.augment, rng)
        streams = []
        for stream in self._config.modalities:
            images = read_frames(self._reader, stream, entry.clip, frames)
            try:
                streams.append(torch.from_numpy(build_clip(images, stream, clip, geometry)))
            except MediaError as error:
                raise MediaError(f"{self._reader.name(stream, entry.clip, 0)}: the clip {error}") from error
            if self._config.legacy.two_geometries and not isinstance(draw.how, View):
                geometry = draw_geometry(clip, self._config.augment, rng)  # for the other stream
        return tuple(streams), entry.label, draw.clip_index


def _view(num_frames: int, clip: ClipSpec, view: View) -> tuple[NDArray[np.int64], Geometry]:
    geometry = replace(centred_geometry(clip), flip=view.flip)
    if view.share is None:
        return bin_centres(num_frames, clip.num_frames), geometry
    return spread_per_bin(num_frames, clip.num_frames, view.share), geometry


def read_entries(data: DataConfig, split: Split) -> list[SplitEntry]:
    """Return the clips of one half of the configured split; raises `DatasetError` when it has none or is missing."""
    spec = DATASETS[data.dataset]
    return read_split(spec.split_file(data.root, split, data.protocol), spec)


def frame_folders(config: TrainingConfig) -> list[Path]:
    """Return the folders directly below the data set's root in which the frames of its clips and its lists lie."""
    root, spec = config.data.root, DATASETS[config.data.dataset]
    files = [spec.split_file(root, split, config.data.protocol) for split in get_args(Split)]
    files += [
        spec.frame_path(root, stream, entry.clip, 0)
        for entry in (*read_entries(config.data, "train"), *read_entries(config.data, "valid"))
        for stream in config.modalities
    ]
    return [root / SHARDS_FOLDER, *sorted({root / path.relative_to(root).parts[0] for path in files})]


def class_names(data: DataConfig) -> tuple[str, ...]:
    """Return the names of the protocol's classes: those that lie beside the clips, or the data set's own."""
    spec = DATASETS[data.dataset]
    return (read_class_names(data.root) or spec.class_names)[: spec.num_classes.get(data.protocol)]


def numbered_classes(num_classes: int) -> tuple[str, ...]:
    """Return names for classes whose own nobody knows."""
    return tuple(f"class {number}" for number in range(1, num_classes + 1))


def look_at_clips(config: TrainingConfig) -> dict[Stream, Appearance]:
    """Return what the training clips look like, by some of them; raises `UserError` where one cannot be read."""
    entries = read_entries(config.data, "train")
    reader = open_clips(config.data.root, DATASETS[config.data.dataset])
    looks = defaultdict(list)
    for index in bin_centres(len(entries), min(_NUM_LOOKED_AT, len(entries))):
        entry = entries[index]
        for stream in config.modalities:
            frames = read_frames(reader, stream, entry.clip, bin_centres(entry.num_frames, _FRAMES_LOOKED_AT))
            looks[stream].append(look_of(frames, stream))
    return {stream: appearance_of(found) for stream, found in looks.items()}


class _ShardSampler(Sampler[list[Draw]]):
    """Batches of one process's share of the clips; shuffled anew in every epoch when training."""

    def __init__(self, config: TrainingConfig, length: int, *, rank: int, world_size: int, train: bool) -> None:
        self._config, self._length, self._train = config, length, train
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
        np.random.default_rng([self._config.seed, self.how]).shuffle(order)
        # All processes take the same number of steps, because they wait for each other in every one.
        even = self._length // self._world_size * self._world_size
        return order[:even][self._rank :: self._world_size].tolist()


class Loader:
    """Batches of one process's share of a split; iterate over `epoch(n)`."""

    def __init__(self, config: TrainingConfig, split: Split, *, rank: int, world_size: int) -> None:
        self.dataset = ClipDataset(config, split)
        train = split == "train"
        self._sampler = _ShardSampler(config, len(self.dataset), rank=rank, world_size=world_size, train=train)
        self._num_batches = len(self._sampler)
        if config.data.num_workers:
            _start_forkserver()
        self._loader = DataLoader(
            self.dataset,
            batch_sampler=self._sampler,
            num_workers=config.data.num_workers,
            multiprocessing_context=_LoaderContext() if config.data.num_workers else None,
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

        Raises `UserError` for an unusable clip.
        """
        return self._batches(number, skip)

    def evaluation(self, view: View) -> Iterator[Batch]:
        """Yield every clip of the split in one view. Raises `UserError` for an unusable clip."""
        return self._batches(view, 0)

    def _batches(self, how: int | View, skip: int) -> Iterator[Batch]:
        self._sampler.how, self._sampler.skipped = how, skip
        for batch in self._loader:
            if isinstance(batch, UserError):
                raise batch
            yield batch


def _collate(samples: list[_Sample] | UserError) -> Batch | UserError:
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

    Process = _LoaderProcess


def _start_forkserver() -> None:
    """Start what loader processes are forked from, so that neither it nor they get Ctrl-C or SIGTERM.

    The run that is asked to stop still needs its clips for the step that it is in.
    """
    with blocked_in_new_processes(CTRL_C, SIGTERM):
        forkserver.ensure_running()
