"""The numbers in the names of frames: the order that they say, and what is missing in it."""

import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError

_LONGEST_STEP = 10  # between the numbers of neighbouring frames: what is further apart is a time
_MAX_SHOWN = 10
_LEAST_REGULAR = 0.5  # of the steps from one frame to the next: with fewer, frames were chosen one by one


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people number things: frame10 behind frame9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def check_one_series(names: Sequence[str], where: str) -> None:
    """Raise `MediaError` where files with these names, paths in an archive, are no one series of frames.

    They may lie in several folders, or two of them have the same number, as 7.jpg and 7.png have, or rgb_7 and depth_7.
    """
    folders = {str(PurePosixPath(name).parent) for name in names}
    if len(folders) > 1:
        raise MediaError(
            f"{where}: holds frames in several folders: {listed_folders(folders)}; give each recording a file of its "
            "own"
        )
    numbered: dict[tuple[int, ...], str] = {}
    for name in names:
        numbers = tuple(map(int, re.findall(r"\d+", PurePosixPath(name).stem)))
        if numbers and (other := numbered.setdefault(numbers, name)) != name:
            raise MediaError(
                f"{where}: holds {other} and {name}, which have the same number; give each stream a folder or a file "
                "of its own"
            )


def listed_folders(folders: Collection[str]) -> str:
    """Return the names of folders in words, the first of them where there are many."""
    names = ["its top" if folder == "." else folder for folder in sorted(folders, key=natural_order)]
    shown, num_more = names[:_MAX_SHOWN], len(names) - _MAX_SHOWN
    words = [*shown, f"{num_more} more"] if num_more > 0 else shown
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def missing_frames(names: Sequence[str]) -> tuple[str, ...]:
    """Return in words which frames are missing between these, whose names are in order; nothing where none is.

    Numbers say so where they grow in even steps, such as by 2. Times, and numbers without a rule, say nothing.
    """
    stems = [PurePosixPath(name).stem for name in names]
    if len({re.sub(r"\d+", "0", stem) for stem in stems}) != 1:
        return ()
    columns = zip(*(re.findall(r"\d+", stem) for stem in stems), strict=True)
    for numbers in (np.array([int(number) for number in column], dtype=object) for column in columns):
        count, first = _missing(numbers)
        if count:
            word = "frame" if count == 1 else f"{count} frames, such as"
            return (f"lacks {word} number {first}, of {numbers[0]} to {numbers[-1]}",)
    return ()


def _missing(numbers: NDArray[np.object_]) -> tuple[int, int]:
    """Return how many numbers are left out, and the first of them; `numbers` are whole ones of any length."""
    steps = np.diff(numbers)
    step = min(steps, default=0)
    is_regular = steps == step
    if not 0 < step <= _LONGEST_STEP or is_regular.mean() < _LEAST_REGULAR or (steps % step).any():
        return 0, 0
    gaps = steps[~is_regular]
    return sum(gap // step - 1 for gap in gaps), (numbers[:-1][~is_regular][0] + step if len(gaps) else 0)
