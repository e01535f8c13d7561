"""Clips of a processed data set, as a network takes them."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from rgbd.clip.appearance import Appearance, appearance_of, look_of
from rgbd.clip.build import build_clip
from rgbd.clip.preparation import Preparation
from rgbd.clip.sampling import bin_centres, spread_per_bin
from rgbd.clip.spec import ClipSpec, Geometry, centred_geometry
from rgbd.dataset.layouts import DATASETS, Split
from rgbd.dataset.reading import open_clips, read_frames
from rgbd.dataset.records import RECORDS_FILE, read_records
from rgbd.dataset.run_info import RUN_FILE, read_run_info
from rgbd.dataset.shards import SHARDS_FOLDER
from rgbd.dataset.splits import SplitEntry, read_class_names, read_split
from rgbd.errors import MediaError, UserError
from rgbd.types import Frame, Stream
from training.config.schema import DataConfig, TrainingConfig
from training.data.augmentation.active import active_augmentations
from training.data.augmentation.stages import Key, change_frames, choose_frames, draw_geometry

_NUM_LOOKED_AT = 64  # clips, of which
_FRAMES_LOOKED_AT = 4


class View(NamedTuple):
    """How evaluation looks at a clip: at which share of each bin of frames, None for its middle; mirrored or not."""

    share: float | None = None
    flip: bool = False


class Draw(NamedTuple):
    """Which clip to load: as training draws it in an epoch, or in one of evaluation's views."""

    clip_index: int
    how: int | View


Sample = tuple[tuple[Tensor, ...], int, int]


class ClipDataset(Dataset[Sample]):
    """One half of a split. A clip's random draws depend on (seed, epoch, clip) only, not on the loader process."""

    def __init__(self, config: TrainingConfig, split: Split) -> None:
        self._config = config
        self._augmentations = active_augmentations(config.augment)
        self._reader = open_clips(config.data.root, DATASETS[config.data.dataset])
        self.entries = read_entries(config.data, split)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitems__(self, draws: list[Draw]) -> list[Sample] | UserError:
        """Load the clips of one batch, or return what is wrong with one of them.

        Returned, because torch would bury what a loader process raises in that process's traceback.
        """
        try:
            return [self[draw] for draw in draws]
        except UserError as error:
            return error

    def __getitem__(self, draw: Draw) -> Sample:
        """Load one clip: its streams as uint8 [T, size, size, 3], its label and its place in the split."""
        entry, streams = self.entries[draw.clip_index], self._config.modalities
        if isinstance(draw.how, View):
            frames, geometry = _view(entry.num_frames, self._config.clip, draw.how)
            clips = [self._load(entry.clip, stream, frames, geometry, None) for stream in streams]
            return tuple(clips), entry.label, draw.clip_index
        key = (self._config.seed, draw.how, draw.clip_index)
        frames = choose_frames(self._augmentations.frames, entry.num_frames, self._config.clip.num_frames, key)
        clips = []  # of one geometry, unless the reference's two are asked for
        for number, stream in enumerate(streams):
            of_stream = (*key, number) if self._config.legacy.two_geometries else key
            geometry = draw_geometry(self._augmentations.geometry, self._config.clip, of_stream)
            clips.append(self._load(entry.clip, stream, frames, geometry, key))
        return tuple(clips), entry.label, draw.clip_index

    def _load(
        self, clip: str, stream: Stream, frames: NDArray[np.int64], geometry: Geometry, key: Key | None
    ) -> Tensor:
        """Return one stream of a clip; its raw frames are changed where a `key` says by which draws."""
        images: Sequence[Frame] = read_frames(self._reader, stream, clip, frames)
        if key is not None:
            images = change_frames(self._augmentations.raw, images, stream, key)
        try:
            return torch.from_numpy(build_clip(images, stream, self._config.clip, geometry))
        except MediaError as error:
            raise MediaError(f"{self._reader.name(stream, clip, 0)}: the clip {error}") from error


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
    return spec.classes_of(data.protocol, read_class_names(data.root) or spec.class_names)


def numbered_classes(num_classes: int) -> tuple[str, ...]:
    """Return names for classes whose own nobody knows."""
    return tuple(f"class {number}" for number in range(1, num_classes + 1))


def preparation_of(data: DataConfig) -> Preparation | None:
    """Return what was done to the recordings of the data set; None where that was not written down."""
    return read_run_info(data.root).preparation if (data.root / RUN_FILE).exists() else None


def usual_duration(data: DataConfig) -> float | None:
    """Return how many seconds a training clip lasts, the median; None where that was not written down."""
    records = read_records(data.root / RECORDS_FILE)
    clips = (records.get(entry.clip) for entry in read_entries(data, "train"))
    known = [record.duration_s for record in clips if record is not None and record.duration_s is not None]
    return statistics.median(known) if known else None


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
