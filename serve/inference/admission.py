"""Who is let in: how many requests at a time, and only those that can be answered before their deadline."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from serve.errors import DeadlineError, DrainingError, OverloadedError, QueueFullError
from serve.http.client_connection import requested_timeout_s, while_connected
from serve.inference.batching import TooLateError
from serve.inference.served_model import ServedModel


@dataclass(eq=False)
class Admission:
    """A request that was let in: its model, its time, and how many clips it has yet to bring to the queue.

    Of its clips `at_once` wait there at a time; none while it is held, because another explanation comes first.
    """

    model: ServedModel
    timer: asyncio.Timeout
    timeout_s: float
    at_once: int
    num_clips: int = 0
    is_held: bool = False

    def __post_init__(self) -> None:
        self._admitted_at = self.deadline - self.timeout_s

    @property
    def deadline(self) -> float:
        """When it ends, in the event loop's time."""
        when = self.timer.when()
        assert when is not None  # it is made with a time
        return when

    def allow(self, timeout_s: float) -> None:
        """Have it end so many seconds after it was let in, where that is sooner than it would."""
        if timeout_s < self.timeout_s and not self.timer.expired():
            self.timeout_s = timeout_s
            self.timer.reschedule(min(self.deadline, self._admitted_at + timeout_s))

    @property
    def num_rounds(self) -> int:
        """How often it has to queue."""
        return math.ceil(self.num_clips / self.at_once)


class AdmissionControl:
    """Lets at most `max_requests` in at a time, each for at most `deadline_s`.

    `expected_s` says in how many seconds so many clips of each model are computed, with all that waits already.
    """

    def __init__(
        self, max_requests: int, deadline_s: float, expected_s: Callable[[Counter[ServedModel]], float]
    ) -> None:
        self._max_requests, self._deadline_s, self._expected_s = max_requests, deadline_s, expected_s
        self._admitted: set[Admission] = set()
        self._connections: set[asyncio.Timeout] = set()
        self._one_explanation = asyncio.Lock()  # each takes as much as dozens of clips
        self.is_draining = False

    @property
    def num_requests(self) -> int:
        """Requests at work or waiting, and WebSockets that are open."""
        return len(self._admitted) + len(self._connections)

    @property
    def is_idle(self) -> bool:
        """Whether no request is at work or waiting."""
        return self.num_requests == 0

    def drain(self, within_s: float) -> None:
        """From now on send new requests away; those at work have so many seconds, and get 504 then.

        So long WebSockets stay open; called again, it may shorten that time.
        """
        self.is_draining = True
        end = asyncio.get_running_loop().time() + within_s
        for admission in self._admitted:
            if not admission.timer.expired():
                admission.timer.reschedule(min(admission.deadline, end))
        for timer in self._connections:
            if not timer.expired():
                timer.reschedule(min(timer.when() or math.inf, end))

    def check_open(self) -> None:
        """Raise 503 when the service is being stopped."""
        if self.is_draining:
            raise DrainingError("the service is being stopped; ask again when it, or another one, has started")

    def check_room(self) -> None:
        """Raise 503 when the service is being stopped, 429 when there are too many requests."""
        self.check_open()  # while a worker is started again, requests wait
        if self.num_requests >= self._max_requests:
            raise QueueFullError(f"{self.num_requests} requests are at work or waiting; come back in a moment")

    @asynccontextmanager
    async def admit(
        self, request: Request, model: ServedModel, num_clips: int, at_once: int
    ) -> AsyncIterator[Admission]:
        """Let a request in for the length of the block, which ends with the deadline, or when the client goes away.

        It will bring `num_clips` to the network, `at_once` at a time. Raises 503 when the service is being stopped, or
        as `expect` does; 429 when there are too many requests; 504 at the deadline.
        """
        self.check_room()
        timeout_s = requested_timeout_s(request, self._deadline_s)
        admission = Admission(model, asyncio.timeout(timeout_s), timeout_s, at_once)
        self._admitted.add(admission)
        try:
            async with admission.timer, while_connected(request):
                self.expect(admission, num_clips)
                yield admission
        except (TimeoutError, TooLateError) as error:
            detail = (
                "no answer before the service had to stop; ask again when it, or another one, has started"
                if self.is_draining
                else f"no answer within {admission.timeout_s:g} s; cut out the motion, scale its frames down, or try "
                "again when the service is less busy"
            )
            raise DeadlineError(detail) from error
        finally:
            self._admitted.discard(admission)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        """Let a WebSocket in for the length of the block, which ends when the service stops.

        Raises 503 when the service is being stopped, 429 when there are too many requests.
        """
        self.check_room()
        timer = asyncio.timeout(None)
        self._connections.add(timer)
        try:
            async with timer:
                yield
        except TimeoutError:
            if timer.expired():
                self.check_open()
            raise
        finally:
            self._connections.discard(timer)

    def expect(self, admission: Admission, num_clips: int) -> None:
        """Take note of how many clips a request will bring; raises 503 when their answers would come too late."""
        admission.num_clips = num_clips
        if num_clips == 0:
            return
        coming = Counter[ServedModel]()
        for other in self._admitted:  # what others bring in more rounds than this request has comes after it
            coming[other.model] += min(other.num_clips, other.at_once * (admission.num_rounds - other.is_held))
        expected_s = self._expected_s(coming)
        left_s = admission.deadline - asyncio.get_running_loop().time()
        if expected_s > left_s:
            raise OverloadedError(
                f"{len(self._admitted) - 1} requests come first, an answer would take {expected_s:.1f} s, and only "
                f"{max(0, left_s):.1f} s are allowed; come back later, or allow more time",
                retry_after_s=math.ceil(expected_s - left_s),
            )

    @asynccontextmanager
    async def turn(self, admission: Admission) -> AsyncIterator[None]:
        """Hold a request until no other one has its turn, for the length of the block."""
        admission.is_held = True
        async with self._one_explanation:
            admission.is_held = False
            yield
