"""`python -m clients live`: a camera, or a recording as if it were one, and what the service sees in it."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict

from rich.console import Console
from rich.live import Live as Display

from clients.errors import InputError
from clients.live.messages import Said
from clients.live.options import asked_of
from clients.live.session import Live
from clients.live.sources import Source, camera, network, realsense, recording, streams_in
from clients.live.view import Board, in_words

_WIDTH = 80
Show = Callable[[Said], None]


def follow(options: argparse.Namespace, api_key: str | None) -> None:
    """Send frames until there are no more, or Ctrl-C; raises as `Live` and the sources do."""
    with _source(options) as source:
        asked = asked_of(options)
        asked["depth_scale_mm"] = asked["depth_scale_mm"] or source.depth_scale_mm
        live = Live(options.url, sizes=source.sizes, api_key=api_key, timeout_s=options.timeout_s, **asked)
        with live, _shown(live, options) as show:
            _send(live, source, show)


def _send(live: Live, source: Source, show: Show) -> None:
    def tell(said: Iterable[Said]) -> None:
        for item in said:
            show(item)

    try:
        for taken in source.frames:
            live.send(taken.stream, taken.time_s, taken.frame)
            tell(live.pending())
    except KeyboardInterrupt:  # whoever stops a camera still wants to know how it ended
        pass
    live.end()
    tell(live)


def _source(options: argparse.Namespace) -> AbstractContextManager[Source]:
    if options.speed <= 0:
        raise InputError(f"--speed {options.speed:g}: give a number above 0")
    if options.depth is not None and options.rgb is None:
        raise InputError("--depth: give --rgb, too, or one file with both as --rgb-depth")
    if options.camera is not None:
        return camera(options.camera)
    if options.rtsp is not None:
        return network(options.rtsp)
    if options.realsense:
        return realsense()
    if options.rgb_depth is not None:
        return recording(streams_in(options.rgb_depth), options.speed)
    return recording({"rgb": options.rgb} | ({"depth": options.depth} if options.depth else {}), options.speed)


@contextmanager
def _shown(live: Live, options: argparse.Namespace) -> Iterator[Show]:
    """Show what is said: as JSON; on a terminal as a board; else a line for what begins and ends."""
    if options.json:
        yield lambda said: print(json.dumps({"type": type(said).__name__.lower(), **asdict(said)}), flush=True)
        return
    console = Console(width=_WIDTH, highlight=False)
    if not sys.stdout.isatty():
        yield lambda said: console.print(*in_words(said), sep="\n") if in_words(said) else None
        return
    board = Board(live.ready)
    with Display(board, console=console, refresh_per_second=10) as display:

        def show(said: Said) -> None:
            for line in in_words(said):
                display.console.print(line)
            board.take(said)
            display.refresh()

        yield show
