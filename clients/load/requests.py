"""The requests of a load: one after the other, or by a clock that does not wait for answers."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, count, repeat, takewhile

from clients.errors import ClientError, RefusedError

Ask = Callable[[], Awaitable[object]]

ANSWERED = "answered"


@dataclass(frozen=True)
class Request:
    """One request: when it was due, in seconds from the beginning, and how long after that it was over.

    `outcome` is "answered", or the word of the error; `is_refused` says that the service itself said no.
    """

    start_s: float
    latency_s: float
    outcome: str
    is_refused: bool

    @property
    def end_s(self) -> float:
        """When it was over."""
        return self.start_s + self.latency_s


class Load:
    """Asks, and appends what came of it to `requests`, in the order in which they were over."""

    def __init__(self, ask: Ask, requests: list[Request]) -> None:
        self._ask, self._requests = ask, requests
        self._begun_s = time.perf_counter()

    async def closed_loop(self, concurrency: int, duration_s: float) -> None:
        """Let so many clients ask for so long, each again as soon as it was answered."""

        async def client() -> None:
            while self._now_s() < duration_s:
                await self._request(self._now_s())

        async with asyncio.TaskGroup() as clients:
            for _ in range(concurrency):
                clients.create_task(client())

    async def open_loop(self, due_s: Iterator[float]) -> None:
        """Ask when each request is due, whether the others were answered or not.

        Latencies count from then: a generator that comes late is no excuse for the service.
        """
        async with asyncio.TaskGroup() as requests:
            for start_s in due_s:
                await asyncio.sleep(start_s - self._now_s())
                requests.create_task(self._request(start_s))

    def _now_s(self) -> float:
        return time.perf_counter() - self._begun_s

    async def _request(self, start_s: float) -> None:
        outcome, is_refused = ANSWERED, False
        try:
            await self._ask()
        except ClientError as error:
            outcome, is_refused = error.code, isinstance(error, RefusedError)
        self._requests.append(Request(start_s, self._now_s() - start_s, outcome, is_refused))


def even_arrivals(rate: float, duration_s: float) -> Iterator[float]:
    """Return when requests are due, in seconds: `rate` a second, evenly."""
    return takewhile(lambda due_s: due_s < duration_s, (number / rate for number in count()))


def poisson_arrivals(rate: float, duration_s: float, seed: int) -> Iterator[float]:
    """Return when requests are due that come independently of each other, `rate` a second on average."""
    draws = random.Random(seed)
    return takewhile(lambda due_s: due_s < duration_s, accumulate(draws.expovariate(rate) for _ in repeat(None)))
