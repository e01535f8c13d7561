"""`python -m export --checkpoint CKPT --out BUNDLE`: a checkpoint becomes a bundle that a service can load."""

import argparse
from collections.abc import Callable, Collection
from pathlib import Path
from typing import get_args

from rich.console import Console

from export.build.calibration import Calibration
from export.build.plan import ExportOptions
from export.bundle.fields import MAX_BATCH, is_name
from export.commands.data_folder import check_data_folder
from export.commands.tables import artifacts_table
from export.runtimes.registry import formats, precisions
from rgbd.errors import UserError
from rgbd.overlap import check_apart
from rgbd.terminal import positive
from rgbd.types import Stream


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    elsewhere = ",".join(name for name, spec in formats().items() if spec.is_made_where_named)
    parser.add_argument("--checkpoint", type=Path, required=True, help="a file that training wrote, such as best.pt")
    parser.add_argument("--out", type=Path, required=True, help="the bundle's folder; an older bundle is replaced")
    parser.add_argument("--name", type=_name, default="motion", help="the model's name in the service (motion)")
    parser.add_argument(
        "--version", type=_name, metavar="NAME", help="the bundle's version (the checkpoint's epoch and hash)"
    )
    parser.add_argument(
        "--formats",
        type=_list_of(formats()),
        metavar="A,B",
        help=f"of: {','.join(formats())} (those that run here; {elsewhere} can be named for another machine)",
    )
    parser.add_argument(
        "--precision",
        type=_list_of(precisions()),
        metavar="A,B",
        help=f"of: {','.join(precisions())} (all; int8 needs --calibration)",
    )
    parser.add_argument("--data", type=Path, help="a processed data set: compare on real clips of it, too")
    parser.add_argument("--calibration", type=Path, metavar="DATA", help="a processed data set to calibrate int8 on")
    parser.add_argument(
        "--calibration-clips", type=positive, default=128, metavar="N", help="training clips of it (128)"
    )
    parser.add_argument(
        "--max-drop", type=_points, default=0.5, metavar="POINTS", help="of top-1 on its validation clips (0.5)"
    )
    parser.add_argument(
        "--max-batch", type=positive, metavar="N", help="clips at a time (8, or what half of the memory holds)"
    )
    parser.add_argument("--answer-only", action="store_true", help="leave out the scores of branches and streams")
    parser.add_argument(
        "--alone",
        type=_list_of(get_args(Stream)),
        metavar="A,B",
        help="streams that a fusion network may be asked with alone; how well it does is counted on --data",
    )
    parser.add_argument(
        "--live", action="store_true", help="add graphs for streams without end, which compute each frame once"
    )


def run(options: argparse.Namespace) -> int:
    """Export one checkpoint; returns the exit code."""
    if options.out.exists() and not (options.out / "bundle.json").is_file():
        raise UserError(f"{options.out}: exists and is not a bundle; choose another --out")
    check_data_folder("--data", options.data)
    check_data_folder("--calibration", options.calibration)
    read = [options.checkpoint, options.data, options.calibration]
    check_apart([options.out], [path for path in read if path is not None])
    if options.alone and (options.data is None or options.answer_only):
        raise UserError(
            "--alone needs the streams' heads and clips to try them with; give --data, and no --answer-only"
        )
    if options.max_batch and options.max_batch > MAX_BATCH:
        raise UserError(f"--max-batch {options.max_batch}: graphs take up to {MAX_BATCH} clips at a time")
    calibration = None
    if options.calibration is not None:
        calibration = Calibration(options.calibration, options.calibration_clips, options.max_drop / 100)
    wanted = ExportOptions(
        name=options.name,
        version=options.version,
        formats=options.formats,
        precisions=options.precision,
        data=options.data,
        answer_only=options.answer_only,
        alone=options.alone or (),
        max_batch=options.max_batch,
        calibration=calibration,
        live=options.live,
    )
    from export.build.create import create_bundle  # noqa: PLC0415  needs PyTorch, and --help does not

    bundle = create_bundle(options.checkpoint, options.out, wanted)
    Console(markup=False).print(artifacts_table(bundle))
    return 0


def _name(text: str) -> str:
    """Return a name that can be part of an address and name a folder, or refuse the text as argparse wants it."""
    if not is_name(text):
        raise argparse.ArgumentTypeError(f"expected up to 100 letters, digits, '.', '_' and '-', got {text!r}")
    return text


def _points(text: str) -> float:
    """Return a number from 0 to 100, or refuse the text as argparse wants it."""
    points = float(text)
    if not 0 <= points <= 100:
        raise argparse.ArgumentTypeError(f"expected points from 0 to 100, got {text!r}")
    return points


def _list_of(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of words between commas, all of which must be known."""

    def parse(text: str) -> tuple[str, ...]:
        words = tuple(text.split(","))
        if unknown := [word for word in words if word not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose of {', '.join(known)}")
        return words

    return parse
