"""How well motions that a network has not learnt are told from those that it has.

Run: `python -m benchmarks.rejection --data DATA`, where DATA is UTD-MHAD, preprocessed without its skeletons. Three
times, seven of the 27 classes are left out of training, by the small recipe; then the clips of all classes, of
performers whom no network has seen, are scored: those of the left-out classes should be unknown. So should the same
people while they only stand (each clip's first frames) and rendered rooms without anybody. `--choose` does the same
among the training performers: by that the score was chosen. AUROC: the share of pairs of a known and an unknown clip
of which the known one scores higher. Accepted: the share of unknown clips that score higher than the lowest 5 % of the
known ones. What is trained is not trained again.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_auroc

from benchmarks.real_accuracy import SMALL_CONFIG
from benchmarks.support.folds import Lists
from benchmarks.support.scenes import rendering_camera
from benchmarks.support.training_runs import Results, Run, in_percent, train_all
from preprocess.synthetic.scene import SETUPS, render_background
from preprocess.synthetic.sensor import measure_depth
from rgbd.camera.sensors import find_sensor
from rgbd.clip.build import build_clip
from rgbd.clip.spec import centred_geometry
from rgbd.dataset.layouts import Split
from rgbd.dataset.splits import SplitEntry
from training.config.schema import TrainingConfig
from training.data.dataset import ClipDataset, Draw, View
from training.networks.family import answer_of
from training.run.checkpoint import load_checkpoint, restore_network
from training.run.metrics import Evaluation, fit_temperature

RESULTS = Path("benchmarks/results/rejection.jsonl")
NUM_LEFT_OUT, TRIALS = 7, (0, 1, 2)
KNOWN_SHARE = 0.95
STANDING_FRAMES = 8  # at the beginning of a clip, before the motion
CHOOSING_EPOCHS = 30  # half of the recipe's
BATCH = 8
KINECT = (512, 424)


@dataclass(frozen=True)
class Seen:
    """What a network makes of clips: scores [num_clips, N], features [num_clips, D], and the labels, if they have."""

    scores: Tensor
    features: Tensor
    labels: Tensor

    def where(self, chosen: Tensor) -> "Seen":
        """Return what it makes of some of them."""
        return Seen(self.scores[chosen], self.features[chosen], self.labels[chosen])


Score = Callable[[Seen, Seen], Tensor]
"""How familiar clips look [num_clips], given the training clips."""


def _distance(seen: Seen, trained: Seen) -> Tensor:
    means = torch.stack([trained.features[trained.labels == label].mean(0) for label in trained.labels.unique()])
    return (F.normalize(seen.features, dim=1) @ F.normalize(means, dim=1).T).amax(1)


SCORES: Mapping[str, Score] = {
    "maximum softmax": lambda seen, _: seen.scores.softmax(1).amax(1),
    "maximum logit": lambda seen, _: seen.scores.amax(1),
    "energy": lambda seen, _: seen.scores.logsumexp(1),
    "nearest class mean of features": _distance,
}


@torch.no_grad()
def look(network: nn.Module, clips: Iterator[tuple[NDArray[np.uint8], int]]) -> Seen:
    """Return what the network makes of clips, uint8 [T, H, W, 3] each."""
    tokens: list[Tensor] = []
    heads = network.get_submodule("heads").children()
    hooks = [head.register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0])) for head in heads]
    scores, features, labels = [], [], []
    while batch := [clip for clip, _ in zip(clips, range(BATCH), strict=False)]:
        tokens.clear()
        scores.append(answer_of(network(torch.from_numpy(np.stack([clip for clip, _ in batch])))))
        features.append(torch.cat(tokens, 1))
        labels += [label for _, label in batch]
    for hook in hooks:
        hook.remove()
    return Seen(torch.cat(scores), torch.cat(features), torch.tensor(labels))


def clips_of(config: TrainingConfig, root: Path, split: Split) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Yield the clips of a list, as evaluation sees them, and their labels."""
    dataset = ClipDataset(config.with_data_root(root), split)
    for number in range(len(dataset)):
        (clip,), label, _ = dataset[Draw(number, View())]
        yield clip.numpy(), label


def empty_rooms(config: TrainingConfig, count: int = 40) -> Iterator[tuple[NDArray[np.uint8], int]]:
    """Yield clips of rooms without anybody, as nothing is cut out of them, from a Kinect v2."""
    camera = rendering_camera(find_sensor("kinect_v2").camera(KINECT), KINECT)
    rooms = [render_background(setup, camera, camera).depth_m for setup in SETUPS]
    rng = np.random.default_rng(0)
    for number in range(count):
        frames = [measure_depth(rooms[number % len(rooms)], rng) for _ in range(config.clip.num_frames)]
        yield build_clip(frames, "depth", config.clip, centred_geometry(config.clip)), -1


def trial(lists: Lists, out: Path, number: int, *, among_training: bool) -> tuple[Run, Path, Path, list[int]]:
    """Return the training of a trial, a folder that lists all clips to be tried, one that lists them standing."""
    left_out = set(np.random.default_rng(number).permutation(len(lists.class_names))[:NUM_LEFT_OUT].tolist())
    train, valid = lists.train, lists.valid
    if among_training:
        train, valid = lists.leave_out(lists.performers[number])
    kept = [label for label in range(len(lists.class_names)) if label not in left_out]
    name = f"{'choose' if among_training else 'final'}-{number}"
    data = lists.write(out / "folds" / name, train, valid, kept)
    everything = range(len(lists.class_names))
    tried = lists.write(out / "folds" / f"{name}-all", train, valid, everything)
    standing = lists.write(out / "folds" / f"{name}-standing", train, _beginnings(valid), everything)
    settings = (f"seed={number}", *((f"schedule.epochs={CHOOSING_EPOCHS}",) if among_training else ()))
    return Run(name, data, settings), tried, standing, kept


def _beginnings(entries: Sequence[SplitEntry]) -> list[SplitEntry]:
    return [replace(entry, num_frames=min(entry.num_frames, STANDING_FRAMES)) for entry in entries]


def measure(checkpoint_path: Path, run: Run, tried: Path, standing: Path, kept: list[int]) -> dict[str, float]:
    """Return the figures of a trial by name, shares in [0, 1]."""
    checkpoint = load_checkpoint(checkpoint_path)
    config, network = checkpoint.config, restore_network(checkpoint).eval()
    trained = look(network, clips_of(config, run.data, "train"))
    all_seen = look(network, clips_of(config, tried, "valid"))
    is_known = torch.isin(all_seen.labels, torch.tensor(kept))
    known = all_seen.where(is_known)
    others = {
        "unknown": all_seen.where(~is_known),
        "standing": look(network, clips_of(config, standing, "valid")),
        "empty": look(network, empty_rooms(config)),
    }
    figures = {}
    for name, score in SCORES.items():
        familiar = score(known, trained)
        limit = torch.quantile(familiar, 1 - KNOWN_SHARE)
        for what, seen in others.items():
            strange = score(seen, trained)
            both = torch.cat([familiar, strange])
            truth = torch.cat([torch.ones(len(familiar)), torch.zeros(len(strange))]).int()
            places = both.unique(return_inverse=True)[1] / len(both)  # of any scale; torchmetrics wants 0 to 1
            figures[f"{what} AUROC, {name}"] = float(binary_auroc(places, truth))
            figures[f"{what} accepted, {name}"] = float((strange >= limit).float().mean())
    labels = torch.tensor([kept.index(label) for label in known.labels.tolist()])
    figures |= calibration(known.scores.numpy(), labels.numpy())
    return figures


def calibration(scores: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """Return the expected calibration error of each half of the clips, by the temperature of the other half."""
    halves = [Evaluation({"logits": scores[half::2]}, labels[half::2], ("",) * len(labels[half::2])) for half in (0, 1)]
    found = [one.metrics(fit_temperature(other)) for one, other in (halves, halves[::-1])]
    return {"ece_before": _mean(found, "ece_raw"), "ece_after": _mean(found, "ece"), "top1": _mean(found, "top1")}


def _mean(found: Sequence[Mapping[str, float]], name: str) -> float:
    return float(np.mean([figures[name] for figures in found]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="what preprocess.utd_mhad wrote")
    parser.add_argument("--out", type=Path, default=Path("runs/rejection"), help="where runs are (%(default)s)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file of figures (%(default)s)")
    parser.add_argument("--choose", action="store_true", help="among the training performers")
    options = parser.parse_args()
    lists = Lists("utd_mhad", options.data.resolve(), "CS")
    trials = [trial(lists, options.out, number, among_training=options.choose) for number in TRIALS]
    trained = Results(options.out / "trained.jsonl", SMALL_CONFIG)
    train_all([run for run, *_ in trials], SMALL_CONFIG, options.out, trained)
    results = Results(options.results, SMALL_CONFIG)
    found = [
        results.find(run) or results.add(run, measure(options.out / run.name / "last.pt", run, tried, standing, kept))
        for run, tried, standing, kept in trials
    ]
    table = Table(
        "%",
        *(f"{what} {which}" for what in ("unknown", "standing", "empty") for which in ("AUROC", "accepted")),
        box=None,
    )
    for name in SCORES:
        cells = (
            _cell(found, f"{what} {which}, {name}")
            for what in ("unknown", "standing", "empty")
            for which in ("AUROC", "accepted")
        )
        table.add_row(name, *cells)
    console = Console(width=120)
    console.print(table)
    for name in ("top1", "ece_before", "ece_after"):
        console.print(f"{name}: {_cell(found, name)}")


def _cell(found: Sequence[Mapping[str, float]], name: str) -> str:
    return in_percent([figures[name] for figures in found])


if __name__ == "__main__":
    main()
