"""What commands about one recording are given: a file or folder with all of it, or one for each stream."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rgbd.errors import ConfigError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import StreamReader
from rgbd.recording.tracks import choose_tracks
from rgbd.types import Stream


@dataclass(frozen=True)
class Given:
    """The streams of each file or folder that was given, and what each was given for."""

    files: Mapping[Path, Sequence[StreamReader]]
    meant: Mapping[Path, Sequence[Stream]]
    tracks: Mapping[Stream, str]

    @property
    def readers(self) -> list[tuple[StreamReader, Stream]]:
        """All streams that the files have, and what each is: what its file was given as, or by its pixels."""
        return [
            (reader, "depth" if reader.is_depth or list(self.meant[path]) == ["depth"] else "rgb")
            for path, readers in self.files.items()
            for reader in readers
        ]

    def choose(self) -> dict[Stream, StreamReader]:
        """Return those that are meant as colour and as depth; raises `MediaError` as `choose_tracks`."""
        chosen: dict[Stream, StreamReader] = {}
        for path, readers in self.files.items():
            chosen |= choose_tracks(readers, self.meant[path], self.tracks)
        return chosen


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add the file or the files of a recording."""
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="a file or folder of a recording, such as a camera's own"
    )
    parser.add_argument("--rgb", type=Path, metavar="FILE", help="instead, where there are two: that of colour")
    parser.add_argument("--depth", type=Path, metavar="FILE", help="... and that of depth")
    for stream, what in (("rgb", "colour"), ("depth", "depth")):
        parser.add_argument(
            f"--{stream}-track", metavar="NAME", help=f"what the file calls its {what}, where it has several"
        )


def open_inputs(options: argparse.Namespace, limits: Limits) -> Given:
    """Open what was given.

    Raises `ConfigError` where that is nothing or too much, `MediaError` for what cannot be read.
    """
    apart: dict[Stream, Path | None] = {"rgb": options.rgb, "depth": options.depth}
    meant: dict[Path, list[Stream]] = {}
    for stream, path in apart.items():
        if path is not None:
            meant.setdefault(path, []).append(stream)
    if (options.file is None) == (not meant):
        raise ConfigError("give either the file of a recording, or --rgb and --depth")
    if options.file is not None:
        meant = {options.file: ["rgb", "depth"]}
    names: dict[Stream, str | None] = {"rgb": options.rgb_track, "depth": options.depth_track}
    files = {path: open_streams(path, limits) for path in meant}
    return Given(files, meant, {stream: name for stream, name in names.items() if name is not None})
