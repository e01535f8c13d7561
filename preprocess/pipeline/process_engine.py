"""Many jobs, worked on by processes of this machine, with progress."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Protocol, TypeVar

import cv2
from threadpoolctl import threadpool_limits

from rgbd.errors import UserError
from rgbd.interrupt import CTRL_C, blocked_in_new_processes
from rgbd.terminal import progress_bar

Job = TypeVar("Job")
Result = TypeVar("Result")


class WorkerDied:
    """Stands for the result of a job whose process was killed while it worked on it, twice."""


class Engine(Protocol):
    """Something that works on many jobs at once."""

    def run(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[int, Result | WorkerDied]]:
        """Yield (index of the job, what `function` makes of it) as they come. What `function` raises ends the run."""


class ProcessEngine:
    """Processes of this machine; one does everything in the calling process.

    A process that is killed, by the kernel for want of memory or by a codec's crash, costs one job at most: the jobs
    that were under way are tried again one by one, each with all of the memory, and the one that kills its process
    again is given up. (Pools that name the job that died, such as pebble's, would try it again beside the others.)
    """

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers

    def run(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[int, Result | WorkerDied]]:
        """Yield (index, result) as they come. Ctrl-C lets jobs under way finish and starts no more."""
        num_workers = min(self._num_workers, len(jobs))
        if num_workers <= 1:
            yield from ((index, function(job)) for index, job in enumerate(jobs))
            return
        waiting = iter(enumerate(jobs))
        while suspects := (yield from self._run_until_a_death(function, waiting, num_workers)):
            for index in suspects:
                yield index, _run_alone(function, jobs[index])

    def _run_until_a_death(
        self, function: Callable[[Job], Result], waiting: Iterator[tuple[int, Job]], num_workers: int
    ) -> Generator[tuple[int, Result], None, list[int]]:
        """Yield results until `waiting` is used up or a process dies; return the jobs then under way."""
        with _pool(num_workers) as pool:
            under_way: dict[Future[Result], int] = {}
            try:
                while True:
                    # Few are handed out ahead, so that few are under suspicion when a process dies.
                    while len(under_way) < num_workers + 1 and (next_ := next(waiting, None)):
                        under_way[_submit(pool, function, next_[1])] = next_[0]
                    if not under_way:
                        return []
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        yield under_way.pop(future), result
            except BrokenProcessPool:
                return sorted(under_way.values())


def _run_alone(function: Callable[[Job], Result], job: Job) -> Result | WorkerDied:
    with _pool(1) as pool:
        try:
            return _submit(pool, function, job).result()
        except BrokenProcessPool:
            return WorkerDied()


@contextmanager
def _pool(num_workers: int) -> Iterator[ProcessPoolExecutor]:
    # Spawned, not forked: the progress display has a thread, and a fork of a process with threads may lock up.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(num_workers, mp_context=context, initializer=_start_worker)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, function: Callable[[Job], Result], job: Job) -> Future[Result]:
    # This may start a process. Only the parent acts on Ctrl-C, so that no clip is torn in the middle.
    with blocked_in_new_processes(CTRL_C):
        return pool.submit(function, job)


def _start_worker() -> None:
    keep_to_one_thread()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def keep_to_one_thread() -> None:
    """Make this process's libraries use one thread: as many processes as cores already fill the machine.

    Threads of small matrix products cost a third of a worker's time waiting for each other.
    """
    cv2.setNumThreads(1)
    threadpool_limits(1)


def _end_with_parent() -> None:
    # A parent that was killed cannot end its workers, which would wait for jobs forever.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def run_jobs(function: Callable[[Job], Result], jobs: Sequence[Job], num_workers: int, title: str) -> list[Result]:
    """Return what `function` makes of every job, in the jobs' order, worked on by `num_workers` processes.

    What `function` raises ends the run. Raises `UserError` when a process is killed twice by the same job.
    """
    results: dict[int, Result] = {}
    with progress_bar() as progress:
        task = progress.add_task(title, total=len(jobs))
        for index, result in ProcessEngine(num_workers).run(function, jobs):
            if isinstance(result, WorkerDied):
                raise UserError("a worker process was killed, probably for want of memory; try again with fewer --jobs")
            results[index] = result
            progress.advance(task)
    return [results[index] for index in range(len(jobs))]
