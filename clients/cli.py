"""The command line of the client: `python -m clients predict`, `timeline`, `batch`, `load`, `live` and `health`."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.answers import Named, Prediction, Preparation, Score, Timeline
from clients.batch.command import classify
from clients.client import Client
from clients.errors import ClientError, InputError, RefusedError
from clients.live.options import add_live
from clients.load.command import put_under_load
from clients.out_files import format_of, write_out

_WIDTH = 80
_KEY_VARIABLE = "RGBD_MOTION_KEY"  # no flag: other users of the machine can read those


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    0; 1 when the service gave no answer, or not to all recordings; 2 for a user's mistake; 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    errors = Console(stderr=True, soft_wrap=True)
    try:
        if options.command == "live":
            _follow(options)
            return 0
        if options.command == "batch":
            return classify(options, _asked(options) | {"windows": options.windows}, _api_key())
        if options.command == "load":
            put_under_load(options, _asked(options) | {"windows": options.windows}, _api_key())
            return 0
        with Client(options.url, api_key=_api_key(), timeout_s=options.timeout_s) as client:
            _COMMANDS[options.command](client, options)
    except KeyboardInterrupt:
        errors.print("interrupted")
        return 130
    except ClientError as error:
        errors.print(f"[bold red]error:[/] {escape(_describe(error))}", highlight=False)
        return 2 if isinstance(error, InputError) else 1
    return 0


def _api_key() -> str | None:
    return os.environ.get(_KEY_VARIABLE) or None


def _describe(error: ClientError) -> str:
    if not isinstance(error, RefusedError):
        return str(error)
    request = f", request {error.request_id}" if error.request_id else ""
    return f"{error.detail} ({error.status} {error.code}{request})"


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--url", default="http://127.0.0.1:8000", help="address of the service (%(default)s)")
    shared.add_argument("--timeout-s", type=float, default=60.0, help="seconds to wait for an answer (%(default)g)")
    parser = argparse.ArgumentParser(
        prog=sys.argv[0] if sys.argv[0].startswith("rgbd-motion ") else "python -m clients",
        description="Ask the service what motion a clip shows.",
        epilog=f"A service that asks for a key gets that of the environment variable {_KEY_VARIABLE}.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    about_recordings = _about_recordings()
    of_recordings = [shared, _stream_options(), about_recordings]
    _add_predict(commands.add_parser("predict", parents=of_recordings, help="send a clip and print the ranked answer"))
    _add_timeline(
        commands.add_parser("timeline", parents=of_recordings, help="say what happens in a long recording, and when")
    )
    _add_batch(
        commands.add_parser(
            "batch", parents=[shared, about_recordings], help="classify all recordings below a folder, into a table"
        )
    )
    _add_load(
        commands.add_parser(
            "load", parents=of_recordings, help="ask about a clip again and again, and say how long it took"
        )
    )
    add_live(commands, shared)
    commands.add_parser("health", parents=[shared], help="say whether the service is ready")
    return parser


def _stream_options() -> argparse.ArgumentParser:
    """Return the options that name a recording."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--rgb",
        type=Path,
        metavar="FILE",
        help="a file, such as a video or a zip of frames, or a folder of frames; one file with both streams, such as a "
        "camera's own, is given here",
    )
    options.add_argument("--depth", type=Path, metavar="FILE", help="the same for depth, 16 bits, lossless")
    return options


def _about_recordings() -> argparse.ArgumentParser:
    """Return the options of all commands that send recordings."""
    options = argparse.ArgumentParser(add_help=False)
    for stream, what in (("rgb", "colour"), ("depth", "depth")):
        options.add_argument(
            f"--{stream}-track", metavar="NAME", help=f"what the file calls its {what}, where it has several"
        )
    options.add_argument("--top-k", type=int, default=5, help="how many labels (%(default)s)")
    options.add_argument(
        "--accepted",
        type=float,
        metavar="SHARE",
        help="of clips of known motions, how many are taken for known (0.95); 0.5 to 0.99",
    )
    options.add_argument("--model", metavar="NAME", help="which model, where several are served")
    options.add_argument("--model-version", metavar="VERSION", help="which version of it (the newest)")
    options.add_argument("--depth-scale-mm", type=float, help="millimetres of one unit of depth, where it is not 1")
    options.add_argument("--fps", type=float, help="frames a second, where the files know no times")
    options.add_argument("--depth-fps", type=float, help="those of depth, where they differ")
    options.add_argument("--start-s", type=float, help="where the motion begins, in seconds (0)")
    options.add_argument("--end-s", type=float, help="where it ends (at the end)")
    options.add_argument(
        "--prepared",
        choices=("yes", "no"),
        help="whether it was prepared as the training clips were, or is as the camera wrote it (as its frames look)",
    )
    options.add_argument("--camera", metavar="NAME", help="the depth camera, such as d435 (the likeliest)")
    options.add_argument(
        "--intrinsics",
        type=_intrinsics,
        metavar="FX[,FY,CX,CY]",
        help="instead of --camera: its focal length and centre in pixels, from calibration",
    )
    return options


def _add_predict(parser: argparse.ArgumentParser) -> None:
    _add_windows(parser)
    _add_people(parser, "largest", "all", "each")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def _add_timeline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--window-s", type=float, metavar="S", help="how long windows are (as training clips were)")
    _add_people(parser, "largest", "all")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where it goes, instead of being printed: .json all of it, .csv its events, .vtt subtitles",
    )


def _add_batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="DIR", help="what the recordings lie below, as docs/clients.md says"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.csv",
        help="the table; what it has already is asked anew only where files or options have changed, or it failed",
    )
    parser.add_argument("--list", action="store_true", help="show what would be asked about, and ask nothing")
    parser.add_argument("--concurrency", type=int, default=4, help="requests at the same time (%(default)s)")
    _add_windows(parser)
    _add_people(parser, "largest", "all")


def _add_load(parser: argparse.ArgumentParser) -> None:
    plan = parser.add_mutually_exclusive_group()
    plan.add_argument(
        "--concurrency", type=int, default=4, help="clients that ask again as soon as they are answered (%(default)s)"
    )
    plan.add_argument(
        "--rate", type=float, metavar="R", help="instead: requests a second, whether others were answered or not"
    )
    parser.add_argument(
        "--arrivals", choices=("poisson", "even"), default="poisson", help="how those come (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the times that are drawn for them (%(default)s)")
    parser.add_argument("--duration-s", type=float, default=10.0, help="seconds in which requests begin (%(default)g)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write it, with each request, as JSON")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw latencies and time line as a PNG")
    _add_windows(parser)
    _add_people(parser, "largest", "all", "each")


def _add_windows(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--windows", type=int, default=1, help="parts of a long clip, answered one by one (%(default)s)"
    )


def _add_people(parser: argparse.ArgumentParser, *choices: str) -> None:
    parser.add_argument(
        "--people",
        choices=choices,
        help="whom the answer is about where several are found (all, where the model knows motions of two people, else "
        "the one of whom most is seen)",
    )


def _follow(options: argparse.Namespace) -> None:
    try:
        from clients.live.command import follow  # noqa: PLC0415  needs an extra
    except ImportError as error:
        raise InputError(f"live streams need {error.name}; install the 'live' extra: pip install '.[live]'") from error
    follow(options, _api_key())


def _intrinsics(text: str) -> dict[str, float]:
    values = [float(part) for part in text.split(",")]
    if len(values) not in (1, 4):
        raise ValueError(text)
    return dict(zip(("fx", "fy", "cx", "cy"), values, strict=False))


_intrinsics.__name__ = "one number, or four"  # argparse says it of what it refuses


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the options that all recordings have ask of the client."""
    names = ("top_k", "people", "accepted", "model", "depth_scale_mm", "fps", "depth_fps", "start_s", "end_s")
    asked = {name: getattr(options, name) for name in (*names, "rgb_track", "depth_track", "camera", "intrinsics")}
    prepared = None if options.prepared is None else options.prepared == "yes"
    return asked | {"version": options.model_version, "prepared": prepared}


def _health(client: Client, _: argparse.Namespace) -> None:
    client.check_ready()
    Console().print(f"{escape(client.url)}: ready", highlight=False)


def _predict(client: Client, options: argparse.Namespace) -> None:
    answer = client.predict(options.rgb, options.depth, windows=options.windows, **_asked(options))
    if options.json:
        sys.stdout.write(json.dumps(asdict(answer), indent=2) + "\n")
    else:
        _print_answer(_console(), answer)


def _timeline(client: Client, options: argparse.Namespace) -> None:
    asked = {"window_s": options.window_s, **_asked(options)}
    if options.out is None:
        _print_timeline(_console(), client.timeline(options.rgb, options.depth, **asked))
        return
    inputs = [path for path in (options.rgb, options.depth) if path is not None]
    format = format_of(options.out, inputs)
    write_out(options.out, client.timeline_text(format, options.rgb, options.depth, **asked).encode())


def _console() -> Console:
    return Console(width=_WIDTH, highlight=False)


def _print_timeline(console: Console, found: Timeline) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), width=_WIDTH, header_style="dim")
    for column, width in (("from, s", 8), ("to, s", 8), ("score", 6)):
        table.add_column(column, justify="right", width=width)
    table.add_column("motion", ratio=1, overflow="fold")
    for event in found.events:
        table.add_row(f"{event.start_s:.2f}", f"{event.end_s:.2f}", f"{event.score:.0%}", escape(event.label))
    if found.events:
        console.print(table)
    events = f"{len(found.events) or 'no'} event{'' if len(found.events) == 1 else 's'}"
    console.print(
        f"[dim]{escape(found.model.name)} {escape(found.model.version)}, {events} in {found.duration_s:.1f} s, "
        f"by windows of {found.window_s:.2f} s[/]"
    )
    _print_warnings(console, found.warnings)


def _print_answer(console: Console, answer: Prediction) -> None:
    if answer.known is False:
        console.print("[bold yellow]unknown:[/] no motion that the model has learnt; nearest are")
    console.print(_ranking(answer.predictions, best_style="dim" if answer.known is False else "bold"))
    for name, scores in answer.streams.items():
        if scores:
            best = scores[0]
            console.print(f"[dim]{escape(name)} stream:[/] {escape(best.label)} {best.score:.1%}")
    for window in answer.windows:
        unit = "s" if answer.clip.duration_s else "frames"
        console.print(f"[dim]{window.start:g} to {window.end:g} {unit}:[/] {_in_words(window)}")
    for person in answer.people:
        console.print(f"[dim]person {person.person}:[/] {_in_words(person)}")
    model, total_ms = answer.model, answer.timing_ms.get("total", 0.0)
    console.print(
        f"[dim]{escape(model.name)} {escape(model.version)}, {escape(model.runtime)} {model.device} {model.precision}, "
        f"{answer.clip.sampled} frames, {total_ms:.0f} ms[/]"
    )
    if (preparation := answer.clip.preparation) is not None and not preparation.was_prepared:
        console.print(f"[dim]{_prepared_in_words(preparation)}[/]")
    _print_warnings(console, answer.warnings)


def _print_warnings(console: Console, warnings: Iterable[str]) -> None:
    for warning in warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")


def _in_words(named: Named) -> str:
    best = named.predictions[0]
    words = f"{escape(best.label)} {best.score:.1%}"
    return f"[yellow]unknown[/], nearest {words}" if named.known is False else words


def _prepared_in_words(preparation: Preparation) -> str:
    people = {None: "nobody was looked for", 0: "nobody was found", 1: "one person was found"}.get(
        preparation.num_people, f"{preparation.num_people} people were found"
    )
    if preparation.box_px is None:
        return f"a raw recording: {people}"
    x0, y0, x1, y1 = preparation.box_px
    width, height = preparation.frame_size
    return f"a raw recording: {people}; cut to {x1 - x0}x{y1 - y0} at ({x0}, {y0}) of {width}x{height}"


def _ranking(scores: Sequence[Score], best_style: str) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), width=_WIDTH)
    table.add_column(justify="right", width=3, style="dim")
    table.add_column(ratio=1, overflow="ellipsis", no_wrap=True)
    table.add_column(width=30)
    table.add_column(justify="right", width=6)
    for rank, score in enumerate(scores, start=1):
        bar = Bar(size=1.0, begin=0.0, end=score.score, width=30, color="cyan")
        style = best_style if rank == 1 else ""
        table.add_row(str(rank), escape(score.label), bar, f"{score.score:.1%}", style=style)
    return table


_COMMANDS: Mapping[str, Callable[[Client, argparse.Namespace], None]] = {
    "predict": _predict,
    "timeline": _timeline,
    "health": _health,
}
