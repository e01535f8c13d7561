"""Work that goes on behind the requests: what of it fails is logged and started again, or ends the service."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from serve.errors import WorkerFailedError
from serve.observability.failures import log_failure

Worker = Callable[[], Coroutine[Any, Any, None]]
"""Works until it is cancelled; whatever else ends it is a failure."""

_log = logging.getLogger("serve")

_PAUSES_S = (0.1, 0.5, 2.0, 5.0)  # before each new start; a worker that fails once more cannot be kept running
_RECOVERED_S = 60.0  # a worker that worked so long may fail as often as a new one


class Supervisor:
    """Runs workers, each by its name; `count_failure` is told whenever one of them fails.

    A worker that fails is started again after a pause, which grows. When that does not help, `has_given_up` is True
    from then on, and `on_give_up` is called.
    """

    def __init__(self, count_failure: Callable[[str], None], on_give_up: Callable[[], None]) -> None:
        self._count_failure, self._on_give_up = count_failure, on_give_up
        self._down: set[str] = set()
        self.has_given_up = False

    def check_working(self) -> None:
        """Raise 503 while a worker does not work."""
        if self._down:
            remedy = "the service ends, and must be started again" if self.has_given_up else "it is being started again"
            failed = ", ".join(sorted(self._down))
            detail = f"a part of the service has failed ({failed}); {remedy}; its log has the reason"
            raise WorkerFailedError(detail)

    def check_alive(self) -> None:
        """Raise 503 when a worker cannot be kept running: only a new process can help."""
        if self.has_given_up:
            self.check_working()

    @asynccontextmanager
    async def running(self, workers: Mapping[str, Worker]) -> AsyncIterator[None]:
        """Keep workers running for the length of the block."""
        tasks = [asyncio.create_task(self._keep_running(name, worker), name=name) for name, worker in workers.items()]
        for task in tasks:
            task.add_done_callback(self._give_up)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_running(self, name: str, worker: Worker) -> None:
        """Return when a worker has failed too often."""
        pauses, loop = iter(_PAUSES_S), asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self._run(name, worker)
            self._count_failure(name)
            if loop.time() - started > _RECOVERED_S:
                pauses = iter(_PAUSES_S)
            pause_s = next(pauses, None)
            if pause_s is None:
                return
            await asyncio.sleep(pause_s)
            self._down.discard(name)

    async def _run(self, name: str, worker: Worker) -> None:
        """Return when a worker has failed, which is logged."""
        task = asyncio.current_task()
        assert task is not None
        try:
            await worker()
            raise RuntimeError(f"{name} returned, and should work on")
        except BaseException:  # also what would end the process, with another exit code, if it left the task
            if task.cancelling():  # the service stops; something within a worker may be cancelled without that
                raise
            self._down.add(name)
            _log.exception("%s has failed", name)

    def _give_up(self, task: "asyncio.Task[None]") -> None:
        if task.cancelling():  # the service stops
            return
        log_failure(task)
        _log.critical("%s cannot be kept running: the service ends", task.get_name())
        self._down.add(task.get_name())
        self.has_given_up = True
        self._on_give_up()
