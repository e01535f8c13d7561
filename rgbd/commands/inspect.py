"""`python -m rgbd inspect IN`: what a recording holds, and what `preprocess.custom` would make of it.

Streams, frames, rates, gaps, units and lenses; and a contact sheet with depth over colour.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rgbd.clip.preparation import Preparation
from rgbd.clip.prepare import prepare
from rgbd.clip.prepared_recording import PreparedRecording
from rgbd.commands.contact_sheet import draw_sheet
from rgbd.commands.inputs import OpenInputs, add_input_options, open_inputs
from rgbd.commands.inspection import Gap, Outcome, StreamFacts, outcome_of, stream_facts
from rgbd.errors import ConfigError, UserError, reason_of
from rgbd.files import atomic_file
from rgbd.overlap import check_apart
from rgbd.recording.limits import Limits
from rgbd.recording.recording import recording_of
from rgbd.recording.stills.images import encode_image
from rgbd.recording.streams import MiscountedError
from rgbd.terminal import working
from rgbd.types import in_order

_WIDTH = 80
_MOST_GAPS = 3
_KINDS = {"rgb": "colour", "depth": "depth"}
_LIMITS = Limits(on_damage="report")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is looked at, and where the contact sheet goes."""
    parser.usage = "%(prog)s (IN | --rgb FILE --depth FILE) [options]"
    parser.epilog = (
        "Exit codes: 0 preprocessing could use it, 1 it could not, 2 it cannot be read, 130 stopped by Ctrl-C."
    )
    parser.add_argument("recording", type=Path, nargs="?", metavar="IN", help="the recording, of one stream or of both")
    add_input_options(parser)
    parser.add_argument(
        "--depth-scale-mm", type=float, metavar="N", help="millimetres of one unit of depth, where the file is silent"
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.jpg", help="where the contact sheet goes (NAME_sheet.jpg in this folder)"
    )
    parser.add_argument("--no-sheet", action="store_true", help="draw none")
    parser.add_argument("--json", action="store_true", help="print what is found as JSON")


def run(options: argparse.Namespace) -> int:
    """Print what is found; returns 0, or 1 where preprocessing could not use the recording."""
    given = open_inputs(options.recording, options, _LIMITS)
    sheet = None if options.no_sheet else options.sheet or Path(f"{next(iter(given.files)).stem}_sheet.jpg")
    if sheet is not None:
        _check_sheet(sheet, given)
    with working("reading"):
        streams = [stream_facts(reader, kind, options.depth_scale_mm) for reader, kind in given.streams()]
        outcome, refusal, prepared = _outcome(given, options.depth_scale_mm)
        drawn = _draw(prepared, sheet) if prepared is not None and sheet is not None else None
    if outcome is not None and any(facts.damage for facts in streams):
        outcome.warnings.append("it is damaged: taken with --accept-short only")
    if options.json:
        found = {
            "streams": [facts.model_dump() for facts in streams],
            "preprocessing": outcome and outcome.model_dump(),
            "refusal": refusal,
            "sheet": drawn and str(drawn),
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _print(Console(width=_WIDTH, highlight=False), streams, outcome, refusal, drawn)
    return 0 if refusal is None else 1


def _check_sheet(sheet: Path, given: OpenInputs) -> None:
    if sheet.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise ConfigError(f"--sheet {sheet}: is drawn as .jpg or .png; name it so")
    check_apart([sheet], given.files, option="--sheet")


def _outcome(
    given: OpenInputs, told_unit_mm: float | None
) -> tuple[Outcome | None, str | None, PreparedRecording | None]:
    """Return what preprocessing would make of it, why it could not use it, and what there is to draw of it."""
    prepared = None
    try:
        chosen = given.choose()
        recording = recording_of(next(iter(given.files)).name, chosen, depth_scale_mm=told_unit_mm)
        prepared = prepare(recording, Preparation(streams=in_order(chosen), masks="none", roi="whole"))
        prepared, outcome = outcome_of(recording, in_order(chosen))
    except UserError as error:
        return None, str(error), prepared
    nobody = "no body was found in any depth frame; --masks none keeps all of depth, whoever it shows"
    return outcome, nobody if outcome.people_found_in == 0 else None, prepared


def _draw(prepared: PreparedRecording, sheet: Path) -> Path | None:
    """Draw the contact sheet and return it; None where the frames cannot be read, which is said elsewhere."""
    try:
        picture = draw_sheet(prepared)
    except (UserError, MiscountedError):
        return None
    try:
        with atomic_file(sheet) as temporary:
            temporary.write_bytes(encode_image(sheet.suffix.lower(), picture, jpeg_quality=90))
    except OSError as error:
        raise ConfigError(
            f"--sheet {sheet}: cannot be written ({reason_of(error)}); name another file, or --no-sheet"
        ) from error
    return sheet


def _print(
    console: Console, streams: Sequence[StreamFacts], outcome: Outcome | None, refusal: str | None, sheet: Path | None
) -> None:
    for file in dict.fromkeys(facts.file for facts in streams):
        console.print(f"[bold]{escape(file)}[/]", soft_wrap=True)
        console.print(_table([facts for facts in streams if facts.file == file]))
        for facts in (facts for facts in streams if facts.file == file):
            for line in _details(facts):
                _print_line(console, line)
    console.print("[bold]preprocessing[/] (python -m preprocess.custom)")
    for line in _outcome_lines(outcome) if outcome is not None else ():
        _print_line(console, line)
    if refusal is not None:
        _print_line(console, f"cannot use it: {refusal}")
    if sheet is not None:
        console.print(f"[bold]contact sheet[/] {escape(str(sheet))}", soft_wrap=True)


def _print_line(console: Console, text: str) -> None:
    console.print(Padding(Text(text), (0, 0, 0, 2)))


def _table(streams: Sequence[StreamFacts]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 2), header_style="dim")
    for name in ("stream", "size", "frames", "a second", "from, to (s)", "mm a unit"):
        table.add_column(name)
    for facts in streams:
        kind = _KINDS[facts.kind] + ("" if facts.is_measured or facts.kind == "rgb" else ", 8 bits")
        span = "" if facts.first_s is None else f"{facts.first_s:.3f}, {facts.last_s:.3f}"
        table.add_row(
            kind,
            f"{facts.size[0]}x{facts.size[1]}",
            str(facts.num_frames),
            "" if facts.fps is None else f"{facts.fps:.4g}",
            span or "no times",
            "" if facts.unit_mm is None else f"{facts.unit_mm:g}",
        )
    return table


def _details(facts: StreamFacts) -> Iterator[str]:
    kind = _KINDS[facts.kind]
    if facts.track:
        yield f"{kind}: is called {facts.track}"
    if facts.distances is not None:
        found = facts.distances
        yield (
            f"{kind}: {found.measured_share:.0%} measured; 5, 50, 95 % nearer than {found.near_m:.2f}, "
            f"{found.median_m:.2f}, {found.far_m:.2f} m"
        )
    if facts.lens is not None:
        lens = facts.lens
        model = f", {lens['model']}" if any(lens["distortion"]) else ""
        yield f"{kind}: fx {lens['fx']:.2f}, fy {lens['fy']:.2f}, cx {lens['cx']:.2f}, cy {lens['cy']:.2f} px{model}"
    if facts.gaps:
        yield f"{kind}: {_gaps(facts.gaps)}"
    yield from (f"{kind}: {text}" for text in (*facts.notes, *facts.damage))


def _gaps(gaps: Sequence[Gap]) -> str:
    longest = sorted(gaps, key=lambda gap: -gap.length_s)[:_MOST_GAPS]
    shown = ", ".join(f"{gap.length_s:.3f} s after {gap.after_s:.3f}" for gap in longest)
    return f"{len(gaps)} {'gap' if len(gaps) == 1 else 'gaps'} between frames: {shown}"


def _outcome_lines(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.num_frames} {'frame is' if outcome.num_frames == 1 else 'frames are'} kept"
    if outcome.registration is not None:
        way = outcome.depth_to_color_cm
        moved = (
            "" if way is None else f"; the colour lens lies {abs(way[0]):.1f} cm aside, {abs(way[1]):.1f} up or down"
        )
        yield f"depth lies over colour by {outcome.registration}{moved}"
    if outcome.people_found_in is not None:
        whose = f" (lines of sight: {outcome.depth_camera})" if outcome.depth_camera else ""
        yield f"people are in {outcome.people_found_in} frames, {outcome.mask_coverage:.1%} of each{whose}"
    if outcome.box_color_px is not None:
        x0, y0, x1, y1 = outcome.box_color_px
        yield f"frames are cropped to {x1 - x0}x{y1 - y0} at ({x0}, {y0})"
    yield from (f"warning: {text}" for text in outcome.warnings)
