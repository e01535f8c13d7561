"""The options that all data sets' commands share."""

import argparse
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from preprocess.pipeline.parts import Part, part
from preprocess.pipeline.process_engine import Engine, ProcessEngine
from rgbd.dataset.store import Format
from rgbd.errors import ConfigError, DatasetError
from rgbd.terminal import positive, program
from rgbd.types import Stream

_NOTES = """The same command again goes on where it was stopped, and tries again what has failed.
Exit codes: 0 all done, 1 some recordings failed, 2 nothing done, 130 stopped by Ctrl-C."""


@dataclass(frozen=True)
class RunOptions:
    """What `add_run_options` has parsed."""

    out: Path
    engine: Engine
    format: Format
    limit: int | None
    only: str | None
    overwrite: bool
    splits_only: bool
    part: Part | None = None

    @property
    def is_partial(self) -> bool:
        """Whether clips are left out that could be done."""
        return self.splits_only or self.only is not None or self.limit is not None


def command_parser(name: str, description: str, expected: str) -> argparse.ArgumentParser:
    """Return a parser without options of `python -m preprocess.<name>`; `expected` says what it reads."""
    return argparse.ArgumentParser(
        prog=program(f"preprocess.{name}"),
        description=description,
        epilog=f"{expected}\n\n{_NOTES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def dataset_parser(name: str, description: str, layout: str) -> argparse.ArgumentParser:
    """Return a parser with the option --raw; `layout` says what that folder must hold."""
    parser = command_parser(name, description, f"The raw folder: {layout}.")
    parser.add_argument("--raw", type=Path, required=True, metavar="FOLDER", help="the recordings; see below")
    return parser


def add_streams_option(parser: argparse.ArgumentParser) -> None:
    """Add the choice of streams, for data sets of which people often have one only."""
    parser.add_argument(
        "--streams", choices=get_args(Stream), nargs="+", help="write only these (default: all that there are)"
    )


def check_streams(present: Collection[Stream], wanted: Iterable[Stream]) -> None:
    """Raise `DatasetError` for a clip that lacks a stream which is to be written."""
    if missing := [stream for stream in wanted if stream not in present]:
        raise DatasetError(
            f"has no {' and no '.join(missing)}, unlike other clips; copy it, or choose --streams without it"
        )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add where to write, how much, and who does the work."""
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the data set is written")
    parser.add_argument(
        "--format",
        choices=get_args(Format),
        default="folders",
        help="folders: the published layout, a file a frame (default); shards: WebDataset tar files, a sample a clip",
    )
    parser.add_argument("--only", metavar="GLOB", help="only the clips whose names match, such as 'S001C00[23]*'")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N of them")
    parser.add_argument("--splits-only", action="store_true", help="do no clips, write the split files of what is done")
    parser.add_argument("--overwrite", action="store_true", help="do what is chosen again, also what is finished")
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, metavar="J", help="worker processes (default: all cores)"
    )
    parser.add_argument(
        "--engine",
        choices=("processes", "ray"),
        default="processes",
        help="who works: processes of this machine (default), or a Ray cluster that sees the same folders",
    )
    parser.add_argument("--address", metavar="HOST:PORT", help="the Ray cluster (default: the one of this machine)")


def add_part_option(parser: argparse.ArgumentParser) -> None:
    """Add which part of the clips is done, for several machines that see one folder."""
    parser.add_argument(
        "--part",
        type=part,
        metavar="K/N",
        help="do the K-th of N parts of the clips, such as 2/4, on one of several machines; the same command without "
        "it joins them",
    )


def run_options(options: argparse.Namespace) -> RunOptions:
    """Return the options that all commands share."""
    return RunOptions(
        out=options.out,
        engine=_engine(options),
        format=options.format,
        limit=options.limit,
        only=options.only,
        overwrite=options.overwrite,
        splits_only=options.splits_only,
        part=getattr(options, "part", None),  # a conversion has none
    )


def _engine(options: argparse.Namespace) -> Engine:
    if options.engine == "processes":
        if options.address:
            raise ConfigError(f"--address {options.address}: is that of a Ray cluster; add --engine ray")
        return ProcessEngine(options.jobs)
    from preprocess.pipeline.ray_engine import RayEngine  # noqa: PLC0415  Ray is an extra, and slow to import

    return RayEngine(options.address)
