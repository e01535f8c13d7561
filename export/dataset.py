"""Real clips of a processed data set, as an exported graph takes them."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from export.runtimes import Inputs
from preprocess.datasets import Split
from training.config import TrainingConfig
from training.data import ClipDataset, Draw, View


def real_inputs(config: TrainingConfig, data: Path, num_clips: int, split: Split = "valid") -> Iterator[Inputs]:
    """Yield clips, one at a time, spread over a split of the processed data set in `data`.

    Raises `UserError` where it is not the data set of the network's configuration.
    """
    config = config.model_copy(update={"data": config.data.model_copy(update={"root": data})})
    dataset = ClipDataset(config, split)
    step = max(1, len(dataset) // num_clips)
    for index in islice(range(0, len(dataset), step), num_clips):
        streams = dataset[Draw(index, View())][0]
        yield {name: clip[None].numpy() for name, clip in zip(config.modalities, streams, strict=True)}
