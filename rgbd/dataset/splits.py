"""Split files and class names: what training asks of a processed data set."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rgbd.dataset.layouts import DatasetSpec
from rgbd.errors import DatasetError, reason_of
from rgbd.files import atomic_file, split_lines

CLASS_NAMES_FILE = "class_names.txt"


@dataclass(frozen=True)
class SplitEntry:
    """One line of a split file: a clip, how many frames each of its streams has, and its class index."""

    clip: str
    num_frames: int
    label: int


def read_split(path: Path, spec: DatasetSpec) -> list[SplitEntry]:
    """Return the clips of a split file, in its order; empty lines and spaces around a line do not matter.

    Raises `DatasetError`, naming file, line and remedy, when the file is missing, empty or has a malformed line.
    """
    entries = [
        _split_entry(line, f"{path}, line {number}", spec)
        for number, line in enumerate(_read_lines(path, "a split file"), start=1)
        if line.strip()
    ]
    if not entries:
        raise DatasetError(f"{path}: lists no clips; preprocess the recordings again, or copy the file again")
    return entries


def _split_entry(line: str, place: str, spec: DatasetSpec) -> SplitEntry:
    match line.split():
        case [name, num_frames, label] if num_frames.isdecimal() and label.isdecimal() and int(num_frames) > 0:
            return SplitEntry(spec.clip_name(name), int(num_frames), int(label))
    raise DatasetError(
        f"{place}: expected 'name frames label', the last two whole numbers with at least one frame, found "
        f"{line.strip()!r}; correct or remove the line"
    )


def write_split(path: Path, entries: Iterable[SplitEntry], spec: DatasetSpec) -> None:
    """Write a split file atomically; it may have no lines, when no clip falls into that half."""
    lines = [f"{spec.split_name(entry.clip)} {entry.num_frames} {entry.label}\n" for entry in entries]
    with atomic_file(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def read_class_names(root: Path) -> tuple[str, ...] | None:
    """Return the names in `root`/class_names.txt, line k naming class index k-1, or None where there is no such file.

    Raises `DatasetError` when a line is empty: the names after it would belong to the wrong classes.
    """
    path = root / CLASS_NAMES_FILE
    if not path.exists():
        return None
    names = tuple(line.strip() for line in _read_lines(path, "class names"))
    if not names or "" in names:
        line_number = names.index("") + 1 if names else 1
        raise DatasetError(f"{path}, line {line_number}: is empty; give every class a name, one a line")
    return names


def write_class_names(root: Path, names: Iterable[str]) -> None:
    """Write `root`/class_names.txt atomically."""
    with atomic_file(root / CLASS_NAMES_FILE) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _read_lines(path: Path, meaning: str) -> list[str]:
    try:
        return split_lines(path.read_text(encoding="utf-8-sig"))  # editors and spreadsheets write a mark in front
    except (OSError, UnicodeDecodeError) as error:
        reason = f"cannot be read as {meaning} ({reason_of(error)})"
        raise DatasetError(f"{path}: {reason}; check the path and the file") from error
