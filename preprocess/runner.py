"""Many clips: a process pool with progress."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2
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

from preprocess.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "-/s")


def run_jobs(function: Callable[[Job], Result], jobs: Sequence[Job], num_workers: int, title: str) -> list[Result]:
    """Return what `function` makes of every job, in the jobs' order, worked on by `num_workers` processes.

    `function` reports a job that cannot be done in its result; what it raises ends the run. Ctrl-C lets jobs under way
    finish, starts no more, and goes on as `KeyboardInterrupt`. Raises `UserError` when a process is killed.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    results: dict[int, Result] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=len(jobs))
        for index, result in _results(function, jobs, min(num_workers, len(jobs))):
            results[index] = result
            progress.advance(task)
    return [results[index] for index in range(len(jobs))]


def _results(function: Callable[[Job], Result], jobs: Sequence[Job], num_workers: int) -> Iterator[tuple[int, Result]]:
    """Yield (index, result) as they come."""
    if num_workers <= 1:
        yield from ((index, function(job)) for index, job in enumerate(jobs))
        return
    # Spawned, not forked: the progress display has a thread, and a fork of a process with threads may lock up.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_workers, mp_context=context, initializer=_start_worker)
    try:
        futures = {pool.submit(function, job): index for index, job in enumerate(jobs)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a worker process was killed, probably for want of memory; try again with fewer --jobs"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    # Every worker gets the terminal's Ctrl-C too; only the parent acts on it, so that no clip is torn in the middle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)  # the workers already fill the processor
