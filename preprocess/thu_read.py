"""`python -m preprocess.thu_read`: THU-READ's colour and depth recordings -> what training reads.

Source: docs/method.md, "Data sets and protocols", and the split files that the reference's authors publish: recordings
are called by action, performer and repetition, such as RGB_wear_watch_cgy_2 and D_wear_watch_cgy_2, and each of the
four protocols validates on two of the eight performers.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from preprocess.pipeline.candidates import the_only
from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.dataset import Identity
from preprocess.pipeline.listed import ListedDataset, Listing, Source
from rgbd.dataset.layouts import THU_READ, Split
from rgbd.errors import DatasetError
from rgbd.terminal import run_command
from rgbd.types import Stream

_LAYOUT = """
  RGB_<action>_<performer>_<repetition>, such as RGB_wear_watch_cgy_2
  D_<action>_<performer>_<repetition>
      in any folder below; each a folder of JPEG or PNG files, or a video"""
_VALIDATION_PERFORMERS = {"CS1": ("cgy", "cwx"), "CS2": ("fjw", "gs"), "CS3": ("lhh", "lzy"), "CS4": ("tys", "wyy")}
_PERFORMERS = "|".join(name for names in _VALIDATION_PERFORMERS.values() for name in names)
_PREFIXES: dict[Stream, str] = {"rgb": "RGB_", "depth": "D_"}


def find_clips(raw: Path, class_names: tuple[str, ...]) -> Listing:
    """Return all recordings of which colour or depth exists, by name."""
    listing = Listing(raw, class_names)
    found = {stream: _named(raw, prefix) for stream, prefix in _PREFIXES.items()}
    for clip in sorted({*found["rgb"], *found["depth"]}):
        said = identify(clip, class_names)
        if said is None:
            listing.refuse(clip, "is not called <action>_<performer>_<repetition> after the data set's own; rename it")
            continue
        try:
            sources = {
                stream: Source(the_only(found[stream][clip], f"{prefix}{clip}") or raw / f"{prefix}{clip}")
                for stream, prefix in _PREFIXES.items()
            }
        except DatasetError as error:
            listing.refuse(clip, str(error))
            continue
        listing.add(clip, said.label, said.splits, sources)
    return listing


def _named(raw: Path, prefix: str) -> Mapping[str, list[Path]]:
    """Return {recording: what is called by its name} of one stream; nothing for any other name."""
    found = defaultdict[str, list[Path]](list)
    for path in sorted(raw.glob(f"**/{prefix}*")):
        found[path.stem.removeprefix(prefix)].append(path)
    return found


def identify(clip: str, class_names: tuple[str, ...]) -> Identity | None:
    """Return what a clip's name says; None where it is not called after the data set's own."""
    match = re.fullmatch(rf"(?P<action>\w+)_(?P<performer>{_PERFORMERS})_\d+", clip)
    labels = {name.replace(" ", "_"): label for label, name in enumerate(class_names)}
    if match is None or match["action"] not in labels:
        return None
    return Identity(labels[match["action"]], _splits(match["performer"]))


def _splits(performer: str) -> dict[str, Split]:
    return {
        protocol: "valid" if performer in performers else "train"
        for protocol, performers in _VALIDATION_PERFORMERS.items()
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some clips failed."""
    description = "Bring THU-READ's recordings into the layout that training reads, with the four protocols' splits."
    return run_dataset(ListedDataset(THU_READ, description, _LAYOUT, find_clips, identify), arguments)


if __name__ == "__main__":
    run_command(main)
