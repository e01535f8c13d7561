"""`python -m preprocess.isogd`: the original IsoGD videos -> what training reads.

Source: docs/method.md, "Data sets and protocols", and the lists with labels that come with the data set: one clip a
line, such as train/001/M_00001.avi train/001/K_00001.avi 84; labels count from 1.
"""

from pathlib import Path, PurePosixPath
from typing import get_args

from preprocess.pipeline.candidates import the_only
from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.listed import ListedDataset, Listing, Source, lines_of, why_missing
from rgbd.dataset.layouts import ISOGD, Split
from rgbd.errors import DatasetError
from rgbd.terminal import run_command
from rgbd.types import Stream

_LAYOUT = """
  train.txt or train_list.txt, and the same for valid and test, with labels
  train/001/M_00001.avi, K_00001.avi, ...
      here or one folder below, as in IsoGD_phase_1/train"""


def find_clips(raw: Path, class_names: tuple[str, ...]) -> Listing:
    """Return the clips of all lists that are there; they are called train/001/00001."""
    listing = Listing(raw, class_names)
    for split in get_args(Split):
        lists = [*raw.glob(f"**/{split}.txt"), *raw.glob(f"**/{split}_list.txt")]
        path = the_only(lists, f"--raw {raw}: the list of {split} clips")
        for place, line in lines_of(path) if path else ():
            _add(listing, raw, place, line, split)
    return listing


def _add(listing: Listing, raw: Path, place: str, line: str, split: Split) -> None:
    match line.split():
        case [color, depth, label] if label.isdecimal() and PurePosixPath(color).name.startswith("M_"):
            path = PurePosixPath(color)
            clip = str(path.parent / path.stem.removeprefix("M_"))
            try:
                sources: dict[Stream, Source] = {"rgb": Source(_find(raw, color)), "depth": Source(_find(raw, depth))}
            except DatasetError as error:
                listing.refuse(clip, str(error))
                return
            listing.add(clip, int(label) - 1, {"": split}, sources)
        case _:
            expected = "M_*.avi K_*.avi LABEL"
            raise DatasetError(f"{place}: expected {expected}, found {line!r}; take the lists that have labels")


def _find(raw: Path, relative: str) -> Path:
    """Return where a listed video lies: below the folder itself, or below one of its folders."""
    candidates = (raw / relative, *raw.glob(f"*/{relative}"))
    return the_only([path for path in candidates if why_missing(path) is None], relative) or raw / relative


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some clips failed."""
    description = "Unpack the original IsoGD videos: colour and 8-bit depth as JPEG, split files."
    return run_dataset(ListedDataset(ISOGD, description, _LAYOUT, find_clips), arguments)


if __name__ == "__main__":
    run_command(main)
