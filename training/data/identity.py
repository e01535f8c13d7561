"""What a data set means to a network: its classes, its clips, how they were prepared; and where two of them differ."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from rgbd.clip.preparation import Preparation
from rgbd.dataset.layouts import Split
from rgbd.dataset.splits import SplitEntry
from training.config.schema import DataConfig
from training.data.dataset import class_names, numbered_classes, preparation_of, read_entries

_HALVES: dict[Split, str] = {"train": "training", "valid": "validation"}


@dataclass(frozen=True)
class DataIdentity:
    """What a network learns from, or is tried with.

    class_names: the meaning of labels. splits: the SHA-256 of each half's clips, their lengths and labels; empty where
    nobody wrote it down. preparation: what was done to the recordings; None where nobody wrote it down.
    """

    class_names: tuple[str, ...]
    splits: dict[Split, str]
    preparation: Preparation | None

    def differences(self, other: "DataIdentity") -> list[str]:
        """Return in words what another one has otherwise; what either does not know is no difference."""
        difference = class_difference(self.class_names, other.class_names)
        return [*([difference] if difference else []), *self.differences_of_clips(other)]

    def differences_of_clips(self, other: "DataIdentity") -> list[str]:
        """Return what `differences` does, but for the classes."""
        lists = (
            f"other {_HALVES[split]} clips, lengths or labels"
            for split in self.splits.keys() & other.splits.keys()
            if self.splits[split] != other.splits[split]
        )
        return [*sorted(lists), *self.differences_of_preparation(other)]

    def differences_of_preparation(self, other: "DataIdentity") -> list[str]:
        """Return how another one's recordings were prepared otherwise."""
        if self.preparation is None or other.preparation is None:
            return []
        differences = self.preparation.differences(other.preparation)
        return [f"recordings prepared with {name} {theirs}, not {mine}" for name, (mine, theirs) in differences.items()]


def identity_of(data: DataConfig, splits: Sequence[Split] = ("train", "valid")) -> DataIdentity:
    """Return what the configured data set is, by these of its lists; raises `DatasetError` where one is wrong."""
    digests = {split: _digest(read_entries(data, split)) for split in splits}
    return DataIdentity(class_names(data), digests, preparation_of(data))


def _digest(entries: Sequence[SplitEntry]) -> str:
    lines = "".join(f"{entry.clip} {entry.num_frames} {entry.label}\n" for entry in entries)
    return hashlib.sha256(lines.encode()).hexdigest()


def class_difference(ours: Sequence[str], theirs: Sequence[str]) -> str:
    """Return in words how others number their classes otherwise, "" where they do not.

    Names of imported weights, which nobody knows, fit as many others.
    """
    if len(ours) != len(theirs):
        return f"{len(theirs)} classes ({_listed(theirs)}), not {len(ours)} ({_listed(ours)})"
    nameless = numbered_classes(len(ours))
    if ours == theirs or nameless in (ours, theirs):
        return ""
    number, mine, other = next(
        (number, mine, other) for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)) if mine != other
    )
    which = "the classes in another order" if sorted(ours) == sorted(theirs) else "other classes"
    return f"{which}: class {number} is {other!r}, not {mine!r}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
