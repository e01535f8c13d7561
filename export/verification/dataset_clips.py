"""Real clips of a processed data set, as an exported graph takes them."""

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from export.runtimes import Inputs
from rgbd.dataset.layouts import Split
from rgbd.errors import DatasetError
from training.data.dataset import ClipDataset, Draw, View, class_names
from training.data.identity import class_difference
from training.run.checkpoint import Checkpoint


def real_inputs(checkpoint: Checkpoint, data: Path, num_clips: int) -> list[Inputs]:
    """Return clips, one at a time, spread over the validation clips of the processed data set in `data`."""
    return [inputs for inputs, _ in labelled_inputs(checkpoint, data, "valid", num_clips)]


class LabelledClips:
    """Clips of a split, one at a time, with their labels; each is read when it is asked for.

    Of those that were read last `keep_bytes` stay in memory, for who asks again and again. Raises `UserError` where
    `data` is not of the data set, or has not the classes, that the network was trained on.
    """

    def __init__(self, checkpoint: Checkpoint, data: Path, split: Split, keep_bytes: int = 0) -> None:
        check_classes(checkpoint, data)
        config = checkpoint.config.with_data_root(data)
        self._modalities, self._dataset = config.modalities, ClipDataset(config, split)
        num_bytes = len(config.modalities) * math.prod(config.clip.shape)
        self._recent = lru_cache(keep_bytes // num_bytes)(self._read)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Inputs, int]:
        return self._recent(index)

    def _read(self, index: int) -> tuple[Inputs, int]:
        streams, label, _ = self._dataset[Draw(index, View())]
        return {name: clip[None].numpy() for name, clip in zip(self._modalities, streams, strict=True)}, label

    def __iter__(self) -> Iterator[tuple[Inputs, int]]:
        return map(self.__getitem__, range(len(self)))


def labelled_inputs(checkpoint: Checkpoint, data: Path, split: Split, num_clips: int) -> Iterator[tuple[Inputs, int]]:
    """Yield so many clips, one at a time, and their labels, spread over the split; raises as `LabelledClips`."""
    clips = LabelledClips(checkpoint, data, split)
    return map(clips.__getitem__, np.linspace(0, len(clips) - 1, min(num_clips, len(clips))).astype(int).tolist())


def check_classes(checkpoint: Checkpoint, data: Path) -> None:
    """Raise `DatasetError` where labels of `data` mean something else to the network."""
    found = class_names(checkpoint.config.with_data_root(data).data)
    if difference := class_difference(checkpoint.class_names, found):
        raise DatasetError(
            f"{data}: has {difference}, as the network was trained; give the data set that it was trained on"
        )
