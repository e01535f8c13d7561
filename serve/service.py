"""What the routes share: the model, its queue, the decoder processes, and how many requests are let in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
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
        self._decoders = Decoders(settings.num_decoders, settings.decoder_memory_mb)
        self._batcher = Batcher(model.runtime, min(settings.max_batch, model.bundle.manifest.max_batch))
        self._num_requests = 0
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

    def drain(self) -> None:
        """From now on send new requests away."""
        self.is_draining = True

    @property
    def is_idle(self) -> bool:
        """Whether no request is at work or waiting."""
        return self._num_requests == 0

    def check_ready(self) -> None:
        """Raise 503 when no new request is taken."""
        if self.is_draining:
            detail = "the service is being stopped; ask again when it, or another one, has started"
            raise ServiceError(HTTPStatus.SERVICE_UNAVAILABLE, "draining", detail)

    @asynccontextmanager
    async def admission(self) -> AsyncIterator[None]:
        """Let a request in for the length of the block, which is cut off after the deadline.

        Raises 503 when the service is being stopped, 429 when there are too many requests, 504 at the deadline.
        """
        self.check_ready()
        if self._num_requests >= self.settings.max_requests:
            raise ServiceError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "queue_full",
                f"{self._num_requests} requests are at work or waiting; come back in a moment",
            )
        self._num_requests += 1
        try:
            async with asyncio.timeout(self.settings.deadline_s):
                yield
        except TimeoutError as error:
            raise ServiceError(
                HTTPStatus.GATEWAY_TIMEOUT,
                "deadline",
                f"no answer within {self.settings.deadline_s:g} s; cut out the motion, scale its frames down, or try "
                "again when the service is less busy",
            ) from error
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
        """Return the network's answer to one clip."""
        return await self._batcher.infer(clips)


def get_service(request: Request) -> Service:
    """Return the service that answers `request`."""
    service: Service = request.app.state.service
    return service
