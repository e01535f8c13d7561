"""What the routes share: the models, the queue, the decoder processes, and how many requests are let in."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import psutil
from fastapi import Request

from preprocess.errors import MediaError
from serve.batcher import Batcher, Clips, Inferred, TooLateError
from serve.clips import ClipRequest
from serve.connection import requested_timeout_s, while_connected
from serve.errors import ServiceError
from serve.limits import Limits, MissingStreamError, TooLargeError, UnknownContainerError
from serve.metrics import Metrics
from serve.models import ServedModel
from serve.parcel import Facts, Parcel
from serve.repository import Repository
from serve.settings import Settings
from serve.tracing import tracer
from serve.workers import Decoders


class Service:
    """Models, ready to answer."""

    def __init__(self, models: Repository, settings: Settings) -> None:
        self.models, self.settings = models, settings
        self.limits = Limits(settings.max_frames, settings.max_pixels, settings.max_duration_s)
        self._decoders = Decoders(settings.num_decoders, settings.decoder_memory_mb, settings.decoder_cpu_s)
        self.metrics = Metrics(lambda: models.ready, settings.max_batch)
        self._batcher = Batcher(settings.max_batch, settings.max_delay_ms / 1000, self.metrics.count_batch)
        self.num_requests = 0
        self._started_at = time.monotonic()
        self.one_explanation = asyncio.Lock()  # each takes as much as dozens of clips
        self.metrics.watch("requests_in_flight", "Requests at work or waiting.", lambda: self.num_requests)
        self.metrics.watch("queue_clips", "Clips that wait for the network.", lambda: self.num_waiting)
        self.is_draining = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs."""
        self._decoders.start()
        worker = asyncio.create_task(self._batcher.run())
        try:
            yield
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
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

    def drain(self) -> None:
        """From now on send new requests away."""
        self.is_draining = True

    @property
    def is_idle(self) -> bool:
        """Whether no request is at work or waiting."""
        return self.num_requests == 0

    def check_ready(self) -> None:
        """Raise 503 when no new request is taken."""
        if self.is_draining:
            detail = "the service is being stopped; ask again when it, or another one, has started"
            raise ServiceError(HTTPStatus.SERVICE_UNAVAILABLE, "draining", detail)

    def check_room(self) -> None:
        """Raise 503 when the service is being stopped, 429 when there are too many requests."""
        self.check_ready()
        if self.num_requests >= self.settings.max_requests:
            raise ServiceError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "queue_full",
                f"{self.num_requests} requests are at work or waiting; come back in a moment",
            )

    @asynccontextmanager
    async def admission(self, request: Request, model: ServedModel) -> AsyncIterator[float]:
        """Let a request in for the length of the block, which ends with the deadline, or when the client goes away.

        Yields the deadline. Raises 503 when the service is being stopped, or so much waits that the answer would come
        too late; 429 when there are too many requests; 504 at the deadline.
        """
        self.check_room()
        timeout_s = requested_timeout_s(request, self.settings.deadline_s)
        if (expected_s := self._batcher.expected_s(model, self.num_requests)) > timeout_s:
            raise ServiceError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "overloaded",
                f"{self.num_requests} requests come first, an answer would take {expected_s:.1f} s, and only "
                f"{timeout_s:g} s are allowed; come back later, or allow more time",
                retry_after_s=math.ceil(expected_s - timeout_s),
            )
        self.num_requests += 1
        try:
            async with asyncio.timeout(timeout_s), while_connected(request):
                yield time.perf_counter() + timeout_s
        except (TimeoutError, TooLateError) as error:
            raise ServiceError(
                HTTPStatus.GATEWAY_TIMEOUT,
                "deadline",
                f"no answer within {timeout_s:g} s; cut out the motion, scale its frames down, or try "
                "again when the service is less busy",
            ) from error
        finally:
            self.num_requests -= 1

    async def decode(
        self, function: Callable[[ClipRequest], Parcel[Facts]], kind: type[Facts], request: ClipRequest
    ) -> Parcel[Facts]:
        """Return `function(request)` from a decoder process; what is wrong with the upload becomes a `ServiceError`."""
        try:
            with tracer.start_as_current_span("decode"):
                return await self._decoders.run(function, kind, request)
        except MissingStreamError as error:
            raise ServiceError(HTTPStatus.BAD_REQUEST, "missing_stream", str(error)) from error
        except UnknownContainerError as error:
            raise ServiceError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unknown_container", str(error)) from error
        except TooLargeError as error:
            raise ServiceError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", str(error)) from error
        except MediaError as error:
            raise ServiceError(HTTPStatus.UNPROCESSABLE_ENTITY, "unusable_clip", str(error)) from error

    async def infer(self, model: ServedModel, clips: Clips, deadline: float) -> Inferred:
        """Return a model's answer to one clip; raises `TooLateError` when it cannot come by the deadline."""
        with tracer.start_as_current_span("infer", attributes={"model": model.name, "version": model.version}) as span:
            inferred = await self._batcher.infer(model, clips, deadline)
            span.set_attributes({"queue_ms": inferred.queue_ms, "inference_ms": inferred.inference_ms})
        return inferred


def get_service(request: Request) -> Service:
    """Return the service that answers `request`."""
    service: Service = request.app.state.service
    return service
