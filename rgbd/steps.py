"""What a long command does just now, told on the error stream: moving on a terminal, line by line in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from rgbd.terminal import say


@contextmanager
def step(what: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """Name a step while it goes on, and say how long it took; yields what is to be called for each of `total` parts."""
    start_s = time.monotonic()
    console = Console(stderr=True)
    if not console.is_terminal:
        say(f"{what} ...")
        yield lambda: None
    else:
        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()]
        if total is not None:
            columns.insert(2, MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda: progress.advance(task)
    say(f"{what}: {time.monotonic() - start_s:.0f} s")
