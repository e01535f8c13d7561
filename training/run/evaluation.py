"""Every clip of a split exactly once, over any number of processes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rgbd.dataset.layouts import Split
from rgbd.errors import DatasetError
from training.config.schema import TrainingConfig
from training.data.dataset import View
from training.data.identity import class_difference, identity_of
from training.data.loader import Loader
from training.data.mirrored_classes import mirror_warning
from training.networks.family import family_of
from training.run.checkpoint import Checkpoint, restore_network
from training.run.distributed import Process, gather
from training.run.finite import NotFiniteError
from training.run.metrics import Evaluation, Scores
from training.run.step import autocast


@torch.no_grad()
def evaluate(
    network: nn.Module,
    loader: Loader,
    process: Process,
    config: TrainingConfig,
    views: Sequence[View] = (View(),),
    after_batch: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Return the scores of the loader's whole split, means over `views`; every process gets the same result.

    `after_batch` is called equally often in every process, and may raise to break the evaluation off.

    Raises `NotFiniteError`, in every process, where a score is not finite.
    """
    network.eval()
    means: dict[int, dict[str, Scores]] = {}
    most = max(gather(len(loader), process))
    for view in views:
        for batch in loader.evaluation(view):
            with autocast(config, process.device):
                output = network(*(clip.to(process.device, non_blocking=True) for clip in batch.clips))
            heads = {name: head.float().cpu().numpy() / len(views) for name, head in output.heads().items()}
            for row, index in enumerate(batch.indices.tolist()):
                before = means.get(index)
                means[index] = {name: head[row] + (before[name] if before else 0) for name, head in heads.items()}
            after_batch()
        for _ in range(len(loader), most):  # this process's share is smaller
            after_batch()
    everything: dict[int, dict[str, Scores]] = {}
    for share in gather(means, process):
        everything |= share
    entries = loader.dataset.entries
    assert everything.keys() == set(range(len(entries)))  # each clip once: the shares cover the split
    scores = {name: np.stack([everything[i][name] for i in range(len(entries))]) for name in everything[0]}
    labels = np.array([entry.label for entry in entries], np.int64)
    return Evaluation(scores, labels, tuple(entry.clip for entry in entries))


def all_metrics(evaluation: Evaluation, config: TrainingConfig, temperature: float) -> dict[str, float]:
    """Return the figures of `Evaluation.metrics`, and those that the network's family has of its own."""
    scores = {head: torch.from_numpy(values) for head, values in evaluation.scores.items()}
    own = family_of(config).own_figures(scores, torch.from_numpy(evaluation.labels))
    return evaluation.metrics(temperature) | own


@dataclass(frozen=True)
class Evaluated:
    """What a checkpoint makes of a split: its scores, their figures, the order of its classes, and what is odd."""

    evaluation: Evaluation
    metrics: dict[str, float]
    class_names: tuple[str, ...]
    warnings: tuple[str, ...]


def evaluate_checkpoint(
    path: Path,
    checkpoint: Checkpoint,
    process: Process,
    *,
    data: Path | None,
    split: Split,
    views: Sequence[View],
    match_classes: bool,
) -> Evaluated:
    """Return what the network of a checkpoint, from this path, makes of a split of its data set.

    `data` is where the data set lies, if not where it was trained. With `match_classes` its classes are taken by their
    names, however they are numbered. Raises `UserError` for scores that are not finite, and for labels that mean
    something else to the network.
    """
    config = checkpoint.config.with_data_root(data)
    loader = Loader(config, split, rank=process.rank, world_size=process.world_size)
    found, known = identity_of(config.data, splits=()), checkpoint.class_names
    labels = _own_labels(path, found.class_names, known) if match_classes else None
    if labels is None and (difference := class_difference(known, found.class_names)):
        raise DatasetError(
            f"{config.data.root}: has {difference}, as {path} knows it; give the data set that it was trained on, or "
            "--match-classes where the same classes are numbered otherwise"
        )
    network = restore_network(checkpoint).to(process.device)
    try:
        evaluation = evaluate(network, loader, process, config, views)
    except NotFiniteError as error:
        raise NotFiniteError(f"{path}: {error}; give a checkpoint of before the run diverged") from error
    if labels is not None:
        evaluation = replace(evaluation, labels=labels[evaluation.labels])
    metrics = all_metrics(evaluation, config, checkpoint.temperature)
    warnings = [f"tried with {what}" for what in checkpoint.data.differences_of_preparation(found)]
    if any(view.flip for view in views) and (mirrored := mirror_warning(known)):
        warnings.append(f"{mirrored}, and --flip averages both: leave it out")
    return Evaluated(evaluation, metrics, known, tuple(f"{path}: {warning}" for warning in warnings))


def _own_labels(path: Path, found: Sequence[str], known: Sequence[str]) -> NDArray[np.int64]:
    """Return int64 [N]: what a network calls each class of a data set by its number there."""
    if lacking := [name for name in found if name not in known]:
        raise DatasetError(f"{path}: was trained without {', '.join(map(repr, lacking))}, which the data set has")
    return np.array([known.index(name) for name in found], np.int64)
