"""The command line of the client: `python -m clients predict` and `python -m clients health`."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.answers import Named, Prediction, Preparation, Score
from clients.client import Client
from clients.errors import ClientError, InputError, RefusedError
from clients.live.options import add_live

_WIDTH = 80
_KEY_VARIABLE = "RGBD_MOTION_KEY"  # no flag: other users of the machine can read those


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0; 1 when the service gave no answer; 2 for a user's mistake; 130."""
    options = _parser().parse_args(arguments)
    errors = Console(stderr=True, soft_wrap=True)
    try:
        if options.command == "live":
            _follow(options)
            return 0
        with Client(options.url, api_key=os.environ.get(_KEY_VARIABLE) or None, timeout_s=options.timeout_s) as client:
            if options.command == "predict":
                _predict(client, options)
            else:
                client.check_ready()
                Console().print(f"{escape(client.url)}: ready", highlight=False)
    except KeyboardInterrupt:
        errors.print("interrupted")
        return 130
    except ClientError as error:
        errors.print(f"[bold red]error:[/] {escape(_describe(error))}", highlight=False)
        return 2 if isinstance(error, InputError) else 1
    return 0


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
        prog="python -m clients",
        description="Ask the service what motion a clip shows.",
        epilog=f"A service that asks for a key gets that of the environment variable {_KEY_VARIABLE}.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser("predict", parents=[shared], help="send a clip and print the ranked answer")
    predict.add_argument(
        "--rgb",
        type=Path,
        metavar="FILE",
        help="a file, such as a video or a zip of frames, or a folder of frames; one file with both streams, such as a "
        "camera's own, is given here",
    )
    predict.add_argument("--depth", type=Path, metavar="FILE", help="the same for depth, 16 bits, lossless")
    for stream, what in (("rgb", "colour"), ("depth", "depth")):
        predict.add_argument(
            f"--{stream}-track", metavar="NAME", help=f"what the file calls its {what}, where it has several"
        )
    predict.add_argument("--top-k", type=int, default=5, help="how many labels (%(default)s)")
    predict.add_argument(
        "--windows", type=int, default=1, help="parts of a long clip, answered one by one (%(default)s)"
    )
    predict.add_argument(
        "--people",
        choices=("largest", "all", "each"),
        help="whom the answer is about where several are found (all, where the model knows motions of two people, else "
        "the one of whom most is seen)",
    )
    predict.add_argument(
        "--accepted",
        type=float,
        metavar="SHARE",
        help="of clips of known motions, how many are taken for known (0.95); 0.5 to 0.99",
    )
    predict.add_argument("--model", metavar="NAME", help="which model, where several are served")
    predict.add_argument("--model-version", metavar="VERSION", help="which version of it (the newest)")
    predict.add_argument("--depth-scale-mm", type=float, help="millimetres of one unit of depth, where it is not 1")
    predict.add_argument("--fps", type=float, help="frames a second, where the files know no times")
    predict.add_argument("--depth-fps", type=float, help="those of depth, where they differ")
    predict.add_argument("--start-s", type=float, help="where the motion begins, in seconds (0)")
    predict.add_argument("--end-s", type=float, help="where it ends (at the end)")
    predict.add_argument(
        "--prepared",
        choices=("yes", "no"),
        help="whether it was prepared as the training clips were, or is as the camera wrote it (as its frames look)",
    )
    predict.add_argument("--camera", metavar="NAME", help="the depth camera, such as d435 (the likeliest)")
    predict.add_argument(
        "--intrinsics",
        type=_intrinsics,
        metavar="FX[,FY,CX,CY]",
        help="instead of --camera: its focal length and centre in pixels, from calibration",
    )
    predict.add_argument("--json", action="store_true", help="print the answer as JSON")
    add_live(commands, shared)
    commands.add_parser("health", parents=[shared], help="say whether the service is ready")
    return parser


def _follow(options: argparse.Namespace) -> None:
    try:
        from clients.live.command import follow  # noqa: PLC0415  needs an extra
    except ImportError as error:
        raise InputError(f"live streams need {error.name}; install the 'live' extra: pip install '.[live]'") from error
    follow(options, os.environ.get(_KEY_VARIABLE) or None)


def _intrinsics(text: str) -> dict[str, float]:
    values = [float(part) for part in text.split(",")]
    if len(values) not in (1, 4):
        raise ValueError(text)
    return dict(zip(("fx", "fy", "cx", "cy"), values, strict=False))


_intrinsics.__name__ = "one number, or four"  # argparse says it of what it refuses


def _predict(client: Client, options: argparse.Namespace) -> None:
    answer = client.predict(
        options.rgb,
        options.depth,
        model=options.model,
        version=options.model_version,
        top_k=options.top_k,
        windows=options.windows,
        people=options.people,
        accepted=options.accepted,
        depth_scale_mm=options.depth_scale_mm,
        fps=options.fps,
        depth_fps=options.depth_fps,
        start_s=options.start_s,
        end_s=options.end_s,
        rgb_track=options.rgb_track,
        depth_track=options.depth_track,
        prepared=None if options.prepared is None else options.prepared == "yes",
        camera=options.camera,
        intrinsics=options.intrinsics,
    )
    if options.json:
        sys.stdout.write(json.dumps(asdict(answer), indent=2) + "\n")
    else:
        _print_answer(Console(width=_WIDTH, highlight=False), answer)


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
    for warning in answer.warnings:
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
