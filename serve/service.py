"""What the routes share: the models, the queue, the decoder processes, and how many requests are let in."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import psutil
from fastapi import Depends, Request

from export.predictor.clip_request import ClipRequest
from rgbd.errors import MediaError
from rgbd.recording.limits import Limits
from serve.concurrency.supervisor import Supervisor
from serve.errors import (
    DeadlineError,
    DrainingError,
    OverloadedError,
    QueueFullError,
)
from serve.http.client_connection import requested_timeout_s, while_connected
from serve.inference.batching import Batcher, Clips, Inferred, TooLateError
from serve.inference.repository import Repository
from serve.inference.served_model import ServedModel
from serve.observability.metrics import Metrics
from serve.observability.tracing import tracer
from serve.settings import Settings
from serve.uploads.decoder_processes import Decoders
from serve.uploads.ipc import DecoderReply, Facts
from serve.uploads.media_errors import refusal_of


@dataclass(eq=False)
class Admission:
    """A request that was let in: its model, its time, and how many clips it has yet to bring to the queue.

    Of its clips `at_once` wait there at a time; none while it is held, because another explanation comes first.
    """

    model: ServedModel
    timer: asyncio.Timeout
    at_once: int
    num_clips: int = 0
    is_held: bool = False

    @property
    def deadline(self) -> float:
        """When it ends, in the event loop's time."""
        when = self.timer.when()
        assert when is not None  # it is made with a time
        return when

    @property
    def num_rounds(self) -> int:
        """How often it has to queue."""
        return math.ceil(self.num_clips / self.at_once)


class Service:
    """Models, ready to answer."""

    def __init__(self, models: Repository, settings: Settings) -> None:
        self.models, self.settings = models, settings
        self.limits = Limits(settings.max_frames, settings.max_pixels, settings.max_duration_s, any_container=False)
        self._decoders = Decoders(settings.num_decoders, settings.decoder_memory_mb, settings.decoder_cpu_s)
        self.metrics = Metrics(lambda: [model.reply for model in models.ready], settings.max_batch)
        self._batcher = Batcher(
            settings.max_batch,
            settings.max_delay_ms / 1000,
            lambda model, num_clips: self.metrics.count_batch(model.name, num_clips),
        )
        self.supervisor = Supervisor(self.metrics.count_failure, on_give_up=lambda: self.drain(0.0))
        self._admitted: set[Admission] = set()
        self._started_at = time.monotonic()
        self._one_explanation = asyncio.Lock()  # each takes as much as dozens of clips
        self.metrics.watch("requests_in_flight", "Requests at work or waiting.", lambda: self.num_requests)
        self.metrics.watch("queue_clips", "Clips that wait for the network.", lambda: self.num_waiting)
        self.is_draining = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs."""
        workers = {"network": self._batcher.run}
        workers |= {f"decoder {number}": self._decoders.keep_ready for number in range(self.settings.num_decoders)}
        self._decoders.start()
        try:
            async with self.supervisor.running(workers):
                yield
        finally:
            self._decoders.close()

    @property
    def uptime_s(self) -> float:
        """For how long there has been this service."""
        return time.monotonic() - self._started_at

    @property
    def num_waiting(self) -> int:
        """Clips that wait for the network."""
        return self._batcher.num_waiting

    @property
    def memory_mb(self) -> int:
        """MiB of the process, without its decoders."""
        return psutil.Process().memory_info().rss >> 20

    def drain(self, within_s: float) -> None:
        """From now on send new requests away; those at work have so many seconds, and get 504 then."""
        self.is_draining = True
        end = asyncio.get_running_loop().time() + within_s
        for admission in self._admitted:
            if not admission.timer.expired():
                admission.timer.reschedule(min(admission.deadline, end))

    @property
    def num_requests(self) -> int:
        """Requests at work or waiting."""
        return len(self._admitted)

    @property
    def is_idle(self) -> bool:
        """Whether no request is at work or waiting."""
        return self.num_requests == 0

    def check_ready(self) -> None:
        """Raise 503 when no new request is taken, or none would be answered at the moment."""
        self.supervisor.check_working()
        self._check_draining()

    def _check_draining(self) -> None:
        if self.is_draining:
            detail = "the service is being stopped; ask again when it, or another one, has started"
            raise DrainingError(detail)

    def check_room(self) -> None:
        """Raise 503 when the service is being stopped, 429 when there are too many requests."""
        self._check_draining()  # while a worker is started again, requests wait
        if self.num_requests >= self.settings.max_requests:
            raise QueueFullError(
                f"{self.num_requests} requests are at work or waiting; come back in a moment",
            )

    @asynccontextmanager
    async def admission(
        self, request: Request, model: ServedModel, num_clips: int, at_once: int
    ) -> AsyncIterator[Admission]:
        """Let a request in for the length of the block, which ends with the deadline, or when the client goes away.

        It will bring `num_clips` to the network, `at_once` at a time. Raises 503 when the service is being stopped, or
        as `expect` does; 429 when there are too many requests; 504 at the deadline.
        """
        self.check_room()
        timeout_s = requested_timeout_s(request, self.settings.deadline_s)
        admission = Admission(model, asyncio.timeout(timeout_s), at_once)
        self._admitted.add(admission)
        try:
            async with admission.timer, while_connected(request):
                self.expect(admission, num_clips)
                yield admission
        except (TimeoutError, TooLateError) as error:
            detail = (
                "no answer before the service had to stop; ask again when it, or another one, has started"
                if self.is_draining
                else f"no answer within {timeout_s:g} s; cut out the motion, scale its frames down, or try "
                "again when the service is less busy"
            )
            raise DeadlineError(detail) from error
        finally:
            self._admitted.discard(admission)

    def expect(self, admission: Admission, num_clips: int) -> None:
        """Take note of how many clips a request will bring; raises 503 when their answers would come too late."""
        admission.num_clips = num_clips
        if num_clips == 0:
            return
        coming = Counter[ServedModel]()
        for other in self._admitted:  # what others bring in more rounds than this request has comes after it
            coming[other.model] += min(other.num_clips, other.at_once * (admission.num_rounds - other.is_held))
        expected_s = self._batcher.expected_s(coming)
        left_s = admission.deadline - asyncio.get_running_loop().time()
        if expected_s > left_s:
            raise OverloadedError(
                f"{self.num_requests - 1} requests come first, an answer would take {expected_s:.1f} s, and only "
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

    async def decode(
        self, function: Callable[[ClipRequest], DecoderReply[Facts]], kind: type[Facts], request: ClipRequest
    ) -> DecoderReply[Facts]:
        """Return `function(request)` from a decoder process; what is wrong with the upload becomes a `ServiceError`."""
        try:
            with tracer.start_as_current_span("decode"):
                return await self._decoders.run(function, kind, request)
        except MediaError as error:
            raise refusal_of(error) from error

    async def infer(self, admission: Admission, clips: Clips) -> Inferred:
        """Return the model's answer to one clip of a request; raises `TooLateError` when it cannot come in time."""
        model = admission.model
        admission.num_clips -= 1  # from here on the queue knows of it
        with tracer.start_as_current_span("infer", attributes={"model": model.name, "version": model.version}) as span:
            inferred = await self._batcher.infer(model, clips, admission.deadline)
            span.set_attributes({"queue_ms": inferred.queue_ms, "inference_ms": inferred.inference_ms})
        return inferred


def get_service(request: Request) -> Service:
    """Return the service that answers `request`."""
    service: Service = request.app.state.service
    return service


Answering = Annotated[Service, Depends(get_service)]
"""The service, as an argument of a route."""
