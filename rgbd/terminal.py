"""What commands share: how they end, what they say once, their progress bars, the values of their options."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from rgbd.errors import UserError
from rgbd.interrupt import exit_code_after, number_of, raise_on_sigterm


def run_command(main: Callable[[], int]) -> None:
    """Run a command-line entry point and exit with its code.

    Exit codes: what `main` returns; 2 after a `UserError`, whose message goes to standard error without a
    traceback; 130 after Ctrl-C and 143 after SIGTERM, as shells expect.
    """
    console = Console(stderr=True, soft_wrap=True)
    raise_on_sigterm()
    try:
        code = main()
    except UserError as error:
        console.print("[bold red]error:[/]", end=" ")
        console.print(str(error), markup=False, highlight=False)
        code = 2
    except KeyboardInterrupt as error:
        console.print("interrupted")
        code = exit_code_after(number_of(error))
    sys.exit(code)


def program(module: str) -> str:
    """Return what help calls a command: as `rgbd-motion` runs it, where that does, or else `python -m module`."""
    return sys.argv[0] if sys.argv[0].startswith("rgbd-motion ") else f"python -m {module}"


def say(text: str) -> None:
    """Print a line on the error stream as it is, not broken at the terminal's width: it may hold paths."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(text)


@cache
def say_once(text: str) -> None:
    """Print a line as `say` does, the first time that it is said, and in one only of the processes of torchrun."""
    if os.environ.get("RANK", "0") == "0":
        say(text)


@cache
def warn_once(logger: logging.Logger, text: str) -> None:
    """Log a warning the first time that it is said: what it is about may be read several times."""
    logger.warning(text)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "-/s")


def progress_bar() -> Progress:
    """Return a progress display for the terminal's error stream: count, rate, time passed and time left."""
    columns = (BarColumn(), MofNCompleteColumn(), _RateColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, console=Console(stderr=True))


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on the error stream, where it is a terminal, that something goes on whose length is not known."""
    with Console(stderr=True).status(what):
        yield


def positive(text: str) -> int:
    """Return a whole number from 1, or refuse the text as argparse wants it."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)
