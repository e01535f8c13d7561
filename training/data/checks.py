"""What is wrong with the data of a run, found before its first epoch and told all at once."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rgbd.dataset.layouts import DATASETS, Split
from rgbd.dataset.reading import open_clips
from rgbd.dataset.splits import SplitEntry
from rgbd.errors import DatasetError
from training.config.schema import TrainingConfig
from training.data.dataset import class_names, read_entries
from training.data.mirrored_classes import mirror_warning

_NAMED = 3  # examples of each problem


def check_data(config: TrainingConfig, world_size: int) -> list[str]:
    """Return warnings about the data set of a run that `world_size` processes share.

    Raises `DatasetError` that lists everything that would stop the run later: clips that the split files name and that
    are not there, or shorter than listed; labels without a class; too few clips for the processes.
    """
    halves: dict[Split, list[SplitEntry]] = {"train": read_entries(config.data, "train")}
    halves["valid"] = read_entries(config.data, "valid")
    names = class_names(config.data)
    problems = [problem for split, entries in halves.items() for problem in _problems(config, split, entries, names)]
    if len(names) < 2:
        problems.append(f"there is one class only, {names[0]!r}: nothing can be told apart from it")
    num_train = len(halves["train"])
    if num_train < 2 * world_size:
        problems.append(f"{num_train} training clips are too few for {world_size} processes; each needs two")
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise DatasetError(f"{config.data.root}: cannot be trained on:{lines}\ncorrect it, or preprocess them again")
    return list(_warnings(config, halves, names, world_size))


def _problems(
    config: TrainingConfig, split: Split, entries: Sequence[SplitEntry], names: Sequence[str]
) -> Iterator[str]:
    beyond = [entry for entry in entries if entry.label >= len(names)]
    if beyond:
        largest = max(entry.label for entry in beyond)
        yield (
            f"{split}: labels up to {largest}, but there are {len(names)} class names: "
            f"{_some([entry.clip for entry in beyond])}"
        )
    reader = open_clips(config.data.root, DATASETS[config.data.dataset])
    for stream in config.modalities:
        absent = [entry for entry in entries if not reader.holds(stream, entry.clip, 1)]
        if absent:
            yield f"{split}: no {stream} frames of {_some([entry.clip for entry in absent])}"
        gone = {entry.clip for entry in absent}
        short = [
            entry.clip
            for entry in entries
            if entry.clip not in gone and not reader.holds(stream, entry.clip, entry.num_frames)
        ]
        if short:
            yield f"{split}: fewer {stream} frames than listed of {_some(short)}"


def _warnings(
    config: TrainingConfig, halves: dict[Split, list[SplitEntry]], names: Sequence[str], world_size: int
) -> Iterator[str]:
    trained = {entry.label for entry in halves["train"]}
    empty = [names[label] for label in range(len(names)) if label not in trained]
    if empty:
        yield f"{len(empty)} of {len(names)} classes have no training clips: {_some(empty)}"
    for split, entries in halves.items():
        if twice := [clip for clip, count in Counter(entry.clip for entry in entries).items() if count > 1]:
            yield f"{split}: {len(twice)} clips are listed more than once, and count as often: {_some(twice)}"
    if config.augment.flip > 0 and (mirrored := mirror_warning(names)):
        yield f"{mirrored}, and augment.flip mirrors clips: set it to 0"
    share = len(halves["train"]) // world_size
    if share % config.batch_size == 1:
        yield "the last batch of an epoch would be a single clip, of which batch norm cannot learn; it is left out"
    if both := {entry.clip for entry in halves["train"]} & {entry.clip for entry in halves["valid"]}:
        yield f"{len(both)} clips are in training and in validation: {_some(sorted(both))}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
