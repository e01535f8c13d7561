"""What the routes share: the model, its queue, the decoder processes, and how many requests are let in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from typing import TypeVar

from fastapi import Request

from preprocess.errors import MediaError
from serve.batcher import Batcher, Clips, Inferred
from serve.clips import ClipRequest
from serve.decode import Limits, TooLargeError, UnknownContainerError
from serve.errors import ServiceError
from serve.models import ServedModel
from serve.settings import Settings
from serve.workers import Decoders

Result = TypeVar("Result")


class Service:
    """One model, ready to answer."""

    def __init__(self, model: ServedModel, settings: Settings) -> None:
        self.model, self.settings = model, settings
        self.limits = Limits(settings.max_frames, settings.max_pixels)
        self._decoders = Decoders(settings.num_decoders, settings.decoder_memory_mb, settings.deadline_s)
        self._batcher = Batcher(model.runtime, settings.max_batch)
        self._num_requests = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while the block runs."""
        worker = asyncio.create_task(self._batcher.run())
        try:
            yield
        finally:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
            self._decoders.close()

    @contextmanager
    def admission(self) -> Iterator[None]:
        """Let a request in for the length of the block; raises 429 when there are too many."""
        if self._num_requests >= self.settings.max_requests:
            raise ServiceError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "queue_full",
                f"{self._num_requests} requests are at work or waiting; come back in a moment",
            )
        self._num_requests += 1
        try:
            yield
        finally:
            self._num_requests -= 1

    async def decode(self, function: Callable[[ClipRequest], Result], request: ClipRequest) -> Result:
        """Return `function(request)` from a decoder process; what is wrong with the upload becomes a `ServiceError`."""
        try:
            return await self._decoders.run(function, request)
        except UnknownContainerError as error:
            raise ServiceError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unknown_container", str(error)) from error
        except TooLargeError as error:
            raise ServiceError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", str(error)) from error
        except MediaError as error:
            raise ServiceError(HTTPStatus.UNPROCESSABLE_ENTITY, "unusable_clip", str(error)) from error

    async def infer(self, clips: Clips) -> Inferred:
        """Return the network's answer to one clip; raises 504 when it takes too long."""
        try:
            return await asyncio.wait_for(self._batcher.infer(clips), self.settings.deadline_s)
        except TimeoutError as error:
            detail = f"no answer within {self.settings.deadline_s:g} s; the service is overloaded, try again later"
            raise ServiceError(HTTPStatus.GATEWAY_TIMEOUT, "deadline", detail) from error


def get_service(request: Request) -> Service:
    """Return the service that answers `request`."""
    service: Service = request.app.state.service
    return service
