"""What a fusion network is worth when only one of its streams comes."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from export.verification.dataset_clips import labelled_inputs
from export.verification.source import Source
from rgbd.errors import UserError
from rgbd.types import Stream
from training.networks.family import family_of

_NUM_CLIPS = 500


def accuracy_alone(source: Source, data: Path, streams: Collection[Stream]) -> dict[Stream, float]:
    """Return for each stream how often its head names a validation clip rightly while the other stream is black.

    Counted in PyTorch, on at most 500 clips of the processed data set in `data`. Raises `UserError` for a network of
    one stream, or without a head for it.
    """
    modalities = source.checkpoint.config.modalities
    if len(modalities) == 1:
        raise UserError(f"--alone: this network takes {modalities[0]} only; it is for fusion networks")
    heads = {head.stream: name for name, head in family_of(source.checkpoint.config).heads.items()}
    if missing := [stream for stream in streams if stream not in heads]:
        raise UserError(f"--alone: this family of networks has no head that answers for {' or '.join(missing)} alone")
    right: dict[Stream, list[bool]] = {stream: [] for stream in streams}
    clips = labelled_inputs(source.checkpoint, data, "valid", _NUM_CLIPS)
    for inputs, label in track(clips, "one stream alone", console=Console(stderr=True), transient=True):
        for stream in streams:
            only = {name: clip if name == stream else np.zeros_like(clip) for name, clip in inputs.items()}
            right[stream].append(source.pytorch.infer(only)[heads[stream]].argmax() == label)
    return {stream: float(np.mean(answers)) for stream, answers in right.items()}
