"""The same processed clips under other lists: performers, classes or a share of them left out."""

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rgbd.dataset.layouts import DATASETS, Split
from rgbd.dataset.splits import (
    CLASS_NAMES_FILE,
    SplitEntry,
    read_class_names,
    read_split,
    write_class_names,
    write_split,
)

_PERFORMER = {"utd_mhad": r"_s(\d+)_", "msr_action3d": r"_s(\d+)_", "ntu": r"P(\d+)R"}
"""Where the name of a clip says whose it is."""


class Lists:
    """The lists of a processed data set."""

    def __init__(self, dataset: str, root: Path, protocol: str) -> None:
        self._spec, self.root, self._protocol = DATASETS[dataset], root, protocol
        self._performer = re.compile(_PERFORMER[dataset])
        self.train, self.valid = (read_split(self._file(root, split), self._spec) for split in ("train", "valid"))
        self.class_names = read_class_names(root) or self._spec.class_names

    def performer(self, entry: SplitEntry) -> str:
        """Return who performs in a clip."""
        found = self._performer.search(entry.clip)
        if found is None:
            raise SystemExit(f"{entry.clip}: does not say who performs")
        return found[1]

    @property
    def performers(self) -> list[str]:
        """Those of the training clips."""
        return sorted({self.performer(entry) for entry in self.train})

    def leave_out(self, performer: str) -> tuple[list[SplitEntry], list[SplitEntry]]:
        """Return the training clips of all others, and those of one performer."""
        rest = [entry for entry in self.train if self.performer(entry) != performer]
        return rest, [entry for entry in self.train if self.performer(entry) == performer]

    def write(
        self, out: Path, train: Sequence[SplitEntry], valid: Sequence[SplitEntry], classes: Collection[int]
    ) -> Path:
        """Write a folder with these lists, without clips of other classes, over links to the same frames."""
        kept = sorted(classes)
        numbers = {label: number for number, label in enumerate(kept)}
        out.mkdir(parents=True, exist_ok=True)
        lists = {self._file(self.root, split).relative_to(self.root).parts[0] for split in ("train", "valid")}
        for path in self.root.iterdir():
            link = out / path.name
            if path.name not in {*lists, CLASS_NAMES_FILE} and not link.exists():
                link.symlink_to(path.resolve(), target_is_directory=path.is_dir())
        halves: dict[Split, Sequence[SplitEntry]] = {"train": train, "valid": valid}
        for split, entries in halves.items():
            of_kept = [replace(entry, label=numbers[entry.label]) for entry in entries if entry.label in numbers]
            path = self._file(out, split)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_split(path, of_kept, self._spec)
        write_class_names(out, (self.class_names[label] for label in kept))
        return out

    def _file(self, root: Path, split: Split) -> Path:
        return self._spec.split_file(root, split, self._protocol)


def share_of(entries: Sequence[SplitEntry], share: float, seed: int) -> list[SplitEntry]:
    """Return a share of the clips, drawn anew by each seed, at least one of every class."""
    rng = np.random.default_rng(seed)
    by_class: defaultdict[int, list[SplitEntry]] = defaultdict(list)
    for entry in entries:
        by_class[entry.label].append(entry)
    kept = []
    for of_class in by_class.values():
        count = max(1, round(share * len(of_class)))
        kept += [of_class[index] for index in sorted(rng.permutation(len(of_class))[:count])]
    return kept
