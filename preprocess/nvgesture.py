"""`python -m preprocess.nvgesture`: the original NvGesture videos -> what training reads.

Source: docs/method.md, "Data sets and protocols", and the lists that come with the data set: one clip a line, as
key:value words, such as path:./Video_data/class_01/subject13_r0 depth:sk_depth:97:177 color:sk_color:97:177 label:1.
Frames count from 0, the second number is the first frame after the clip; labels count from 1.
"""

import re
from pathlib import Path

from preprocess.pipeline.candidates import the_only
from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.listed import ListedDataset, Listing, Source, lines_of
from rgbd.dataset.layouts import NVGESTURE, Split
from rgbd.errors import DatasetError
from rgbd.terminal import run_command
from rgbd.types import Stream

_LAYOUT = """
  nvgesture_train_correct*.lst, nvgesture_test_correct*.lst
  Video_data/class_01/subject13_r0/sk_color.avi, sk_depth.avi, ..."""
_HALVES: dict[str, Split] = {"train": "train", "test": "valid"}  # the published protocol validates on the test half
_STREAMS: dict[Stream, str] = {"rgb": "color", "depth": "depth"}


def find_clips(raw: Path, class_names: tuple[str, ...]) -> Listing:
    """Return the clips of both lists; they are called by class and recording, such as class_01/subject13_r0."""
    listing = Listing(raw, class_names)
    for half, split in _HALVES.items():
        path = the_only(list(raw.glob(f"nvgesture_{half}_correct*.lst")), f"--raw {raw}: the list of {half} clips")
        for place, line in lines_of(path) if path else ():
            _add(listing, raw, place, line, split)
    return listing


def _add(listing: Listing, raw: Path, place: str, line: str, split: Split) -> None:
    words = dict(word.split(":", 1) for word in line.split() if ":" in word)
    try:
        folder, label = Path(words["path"]), int(words["label"])
        sources = {stream: _source(raw / folder, words[word]) for stream, word in _STREAMS.items()}
    except (KeyError, ValueError) as error:
        expected = "path:FOLDER depth:NAME:START:STOP color:NAME:START:STOP label:NUMBER"
        raise DatasetError(f"{place}: expected {expected}, found {line!r}; copy the list again") from error
    listing.add(f"{folder.parent.name}/{folder.name}", label - 1, {"": split}, sources)


def _source(folder: Path, word: str) -> Source:
    match = re.fullmatch(r"(\w+):(\d+):(\d+)", word)
    if match is None or int(match[2]) >= int(match[3]):
        raise ValueError(word)
    return Source(folder / f"{match[1]}.avi", int(match[2]), int(match[3]))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some clips failed."""
    description = "Cut the gestures out of the original NvGesture videos: colour and 8-bit depth as JPEG, split files."
    return run_dataset(ListedDataset(NVGESTURE, description, _LAYOUT, find_clips), arguments)


if __name__ == "__main__":
    run_command(main)
