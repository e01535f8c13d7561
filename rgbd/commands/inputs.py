"""What commands about one recording are given: a file or folder with all of it, or one for each stream."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rgbd.errors import ConfigError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import StreamReader
from rgbd.recording.tracks import choose_tracks
from rgbd.types import Stream


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add the files of a recording that has two, and which tracks are meant."""
    parser.add_argument("--rgb", type=Path, metavar="FILE", help="colour, where it lies in a file of its own")
    parser.add_argument("--depth", type=Path, metavar="FILE", help="depth, where it lies in a file of its own")
    parser.add_argument("--rgb-track", metavar="NAME", help="what the file calls colour, where it has several")
    parser.add_argument("--depth-track", metavar="NAME", help="what the file calls depth, where it has several")


def input_files(recording: Path | None, options: argparse.Namespace) -> dict[Stream, Path]:
    """Return the file of each stream: of a recording as a whole the same for both, else those of the options.

    Raises `ConfigError` where nothing is given, or both ways at once.
    """
    apart: dict[Stream, Path | None] = {"rgb": options.rgb, "depth": options.depth}
    given = {stream: path for stream, path in apart.items() if path is not None}
    if recording is None and not given:
        raise ConfigError("no recording is given; give the file that holds it as IN, or --rgb and --depth")
    if recording is not None and given:
        raise ConfigError(
            f"{recording} and --{next(iter(given))} {next(iter(given.values()))} are both given; give one "
            "recording as a whole, or --rgb and --depth"
        )
    return {"rgb": recording, "depth": recording} if recording is not None else given


@dataclass(frozen=True)
class OpenInputs:
    """The streams of each file that was given, which streams it was given for, and the tracks that were named."""

    files: Mapping[Path, Sequence[StreamReader]]
    meant: Mapping[Path, Sequence[Stream]]
    tracks: Mapping[Stream, str]

    def streams(self) -> Iterator[tuple[StreamReader, Stream]]:
        """Yield all streams of the files, and what each is: what its file was given as, or by its pixels."""
        for path, readers in self.files.items():
            is_depth = list(self.meant[path]) == ["depth"]
            yield from ((reader, "depth" if is_depth or reader.is_depth else "rgb") for reader in readers)

    def choose(self) -> dict[Stream, StreamReader]:
        """Return those that are meant.

        Raises `MediaError` as `choose_tracks`, and `ConfigError` for the name of a track that is not asked for.
        """
        chosen: dict[Stream, StreamReader] = {}
        for path, readers in self.files.items():
            chosen |= choose_tracks(readers, self.meant[path], self.tracks)
        if unused := [stream for stream in self.tracks if stream not in chosen]:
            name = f"--{unused[0]}-track {self.tracks[unused[0]]}"
            raise ConfigError(f"{name}: no {unused[0]} is given; leave it out")
        return chosen


def open_inputs(recording: Path | None, options: argparse.Namespace, limits: Limits) -> OpenInputs:
    """Open what was given; raises as `input_files`, and `MediaError` for what cannot be read."""
    meant: dict[Path, list[Stream]] = {}
    for stream, path in input_files(recording, options).items():
        meant.setdefault(path, []).append(stream)
    told: dict[Stream, str | None] = {"rgb": options.rgb_track, "depth": options.depth_track}
    return OpenInputs(
        files={path: open_streams(path, limits) for path in meant},
        meant=meant,
        tracks={stream: name for stream, name in told.items() if name},
    )
