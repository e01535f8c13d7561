"""Real clips of a processed data set, as an exported graph takes them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from export.runtimes import Inputs
from preprocess.datasets import Split
from training.config import TrainingConfig
from training.data import ClipDataset, Draw, View


def real_inputs(config: TrainingConfig, data: Path, num_clips: int) -> list[Inputs]:
    """Return clips, one at a time, spread over the validation clips of the processed data set in `data`."""
    return [inputs for inputs, _ in labelled_inputs(config, data, "valid", num_clips)]


def labelled_inputs(
    config: TrainingConfig, data: Path, split: Split, num_clips: int | None = None
) -> Iterator[tuple[Inputs, int]]:
    """Yield clips, one at a time, and their labels: so many, spread over the split, or all.

    Raises `UserError` where `data` is not of the data set of the network's configuration.
    """
    dataset = ClipDataset(config.with_data_root(data), split)
    step = max(1, len(dataset) // num_clips) if num_clips else 1
    for index in islice(range(0, len(dataset), step), num_clips):
        streams, label, _ = dataset[Draw(index, View())]
        yield {name: clip[None].numpy() for name, clip in zip(config.modalities, streams, strict=True)}, label
