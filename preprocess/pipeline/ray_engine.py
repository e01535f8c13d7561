"""Many jobs, worked on by a Ray cluster whose machines see the same folders."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from preprocess.pipeline.process_engine import Job, Result, WorkerDied, keep_to_one_thread
from rgbd.ray_cluster import connected

_MAX_RETRIES = 3  # of a job whose machine or process is lost; a machine that leaves is no fault of the job's
_JOBS_AHEAD = 2  # for each processor, so that none waits for the next job to travel


class RayEngine:
    """The Ray cluster at `address`, or the one that runs on this machine.

    Every machine of it must have rgbd-motion installed and see the raw and the processed data at the same paths.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address

    def run(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[int, Result | WorkerDied]]:
        """Yield (index, result) as they come; the jobs of a machine that is lost go to the others."""
        with connected(self._address):
            yield from _run(function, jobs)


def _run(function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[tuple[int, Result | WorkerDied]]:
    task: Any = ray.remote(num_cpus=1, max_retries=_MAX_RETRIES)(_work)  # Ray's types lose the function's
    shared = ray.put(function)
    waiting = iter(enumerate(jobs))
    under_way: dict[ray.ObjectRef[Any], int] = {}
    while True:
        limit = _JOBS_AHEAD * int(ray.cluster_resources().get("CPU", 1))  # machines come and go
        while len(under_way) < limit and (next_ := next(waiting, None)):
            under_way[task.remote(shared, next_[1])] = next_[0]
        if not under_way:
            return
        (ready, *_), _ = ray.wait(list(under_way), num_returns=1)
        yield under_way.pop(ready), _result(ready)


def _work(function: Callable[[Job], Result], job: Job) -> Result:
    keep_to_one_thread()
    return function(job)


def _result(reference: ray.ObjectRef[Any]) -> Any:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from error
    except (WorkerCrashedError, NodeDiedError, ObjectLostError, OutOfMemoryError):
        return WorkerDied()
