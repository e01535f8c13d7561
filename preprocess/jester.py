"""`python -m preprocess.jester`: Jester's frames and lists -> what training reads.

Source: docs/method.md, "Data sets and protocols", and the lists that come with the data set: one clip a line, as its
number and the name of its class, such as 34870;Drumming Fingers.
"""

from pathlib import Path

from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.listed import ListedDataset, Listing, Source, lines_of
from rgbd.dataset.layouts import JESTER, Split
from rgbd.errors import DatasetError
from rgbd.terminal import run_command

_LAYOUT = """
  20bn-jester-v1/<number>/00001.jpg, ...
  jester-v1-train.csv, jester-v1-validation.csv
  jester-v1-labels.csv
      optional: the classes' names, one a line"""
_HALVES: dict[str, Split] = {"train": "train", "validation": "valid"}


def find_clips(raw: Path, class_names: tuple[str, ...]) -> Listing:
    """Return the clips of both lists; those of the test half have no labels, and are left out."""
    names = raw / "jester-v1-labels.csv"
    listing = Listing(raw, tuple(line for _, line in lines_of(names)) if names.exists() else class_names)
    for half, split in _HALVES.items():
        path = raw / f"jester-v1-{half}.csv"
        for place, line in lines_of(path) if path.exists() else ():
            number, separator, name = line.partition(";")
            if not separator or name not in listing.class_names:
                raise DatasetError(f"{place}: expected NUMBER;CLASS, found {line!r}; copy the lists again")
            source = Source(raw / "20bn-jester-v1" / number)
            listing.add(number, listing.class_names.index(name), {"": split}, {"rgb": source})
    return listing


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some clips failed."""
    description = "Bring Jester's frames into the layout that training reads."
    return run_dataset(ListedDataset(JESTER, description, _LAYOUT, find_clips), arguments)


if __name__ == "__main__":
    run_command(main)
