"""`python -m export timeline BUNDLE --rgb FILE`: what happens in a long recording, and when.

Without --out it is printed; a file's name says what is written: .json all of it, .csv its events, .vtt subtitles.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from export.bundle.archive import peek
from export.predictor.predictor import load_model
from export.predictor.streams.formats import WRITERS
from export.predictor.streams.timeline import Progress, Timeline
from rgbd.clip.rejection import DEFAULT_ACCEPTED
from rgbd.errors import UserError
from rgbd.files import atomic_file
from rgbd.overlap import check_apart, check_replaceable
from rgbd.steps import step
from rgbd.terminal import progress_bar, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, help="what `python -m export` wrote, best with --live, or that as a .zip")
    parser.add_argument("--rgb", type=Path, metavar="FILE", help="colour, or a recording of both streams")
    parser.add_argument("--depth", type=Path, metavar="FILE", help="depth, where it lies in a file of its own")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where it goes: .json, .csv or .vtt")
    parser.add_argument("--fps", type=float, metavar="N", help="frames a second, where the files do not know times")
    parser.add_argument("--depth-fps", type=float, metavar="N", help="the same of depth, where it differs")
    parser.add_argument("--start-s", type=float, default=0.0, metavar="S", help="where to begin (0)")
    parser.add_argument("--end-s", type=float, metavar="S", help="where to end (the end)")
    parser.add_argument("--window-s", type=float, metavar="S", help="how long windows are (as training clips were)")
    parser.add_argument("--people", choices=("largest", "all"), help="whom it is about, where there are several")
    parser.add_argument(
        "--accepted",
        type=float,
        default=DEFAULT_ACCEPTED,
        metavar="SHARE",
        help=f"of known motions ({DEFAULT_ACCEPTED})",
    )
    parser.add_argument("--camera", metavar="NAME", help="the depth camera, such as kinect_v2, if nothing else tells")


def run(options: argparse.Namespace) -> int:
    """Look at a recording; returns the exit code."""
    given = [path for path in (options.rgb, options.depth) if path is not None]
    if not given:
        raise UserError("no recording is given; give --rgb, --depth, or both")
    if options.out is not None:
        if options.out.suffix.lower() not in WRITERS:
            raise UserError(f"--out {options.out}: let it end in one of {', '.join(WRITERS)}")
        check_apart([options.out], [options.bundle, *given])
        check_replaceable(options.out, *WRITERS)
    with step(f"loading {options.bundle}"):
        model = load_model(options.bundle, live=peek(options.bundle).live is not None)
    with _shown() as progress:
        found = model.timeline(
            options.rgb,
            options.depth,
            window_s=options.window_s,
            fps=options.fps,
            depth_fps=options.depth_fps,
            start_s=options.start_s,
            end_s=options.end_s,
            people=options.people,
            accepted=options.accepted,
            camera=options.camera,
            progress=progress,
        )
    for warning in found.warnings:
        say(f"warning: {warning}")
    if options.out is None:
        Console(highlight=False, markup=False).print(_table(found))
        return 0
    with atomic_file(options.out) as temporary:
        temporary.write_text(WRITERS[options.out.suffix.lower()](found), encoding="utf-8")
    say(f"{options.out}: {_counted(found)}")
    return 0


@contextmanager
def _shown() -> Iterator[Progress]:
    """Show a bar; yields what tells it how many frames are looked at, of how many."""
    with progress_bar() as bar:
        task = bar.add_task("frames", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _counted(found: Timeline) -> str:
    events = f"{len(found.events)} event{'' if len(found.events) == 1 else 's'}"
    return f"{events} in {found.duration_s:.1f} s, by windows of {found.window_s:.2f} s"


def _table(found: Timeline) -> Table:
    table = Table(title=_counted(found), title_justify="left", box=None)
    for column in ("from", "to", "score"):
        table.add_column(column, justify="right")
    table.add_column("motion", overflow="fold")
    for event in found.events:
        table.add_row(f"{event.start_s:.2f}", f"{event.end_s:.2f}", f"{event.score:.0%}", event.label)
    return table
