"""Bodies that are too large, too slow, or too many at a time are refused while they arrive."""

import asyncio

from starlette.types import Message, Receive

from serve.errors import ServiceError, TooLargeError, TooManyUploadsError, UploadTimeoutError
from serve.settings import Settings


class LimitedBody:
    """A request's body on its way in; `bodies` are those of all requests that have no answer yet."""

    def __init__(self, receive: Receive, announced: int, settings: Settings, bodies: "set[LimitedBody]") -> None:
        self._receive, self._settings, self._bodies = receive, settings, bodies
        self._num_bytes, self._announced, self._is_complete = 0, announced, False
        self._late_at = asyncio.get_running_loop().time() + settings.upload_s

    async def receive(self) -> Message:
        """Return the next message; raises 413, 408 or 429."""
        if self._is_complete:
            return await self._receive()
        self._check_size(self._announced)
        if self not in self._bodies:
            self._check_number()
            self._bodies.add(self)
        try:
            async with asyncio.timeout_at(self._late_at):
                message = await self._receive()
        except TimeoutError as error:
            detail = f"the upload did not arrive within {self._settings.upload_s:g} s"
            raise UploadTimeoutError(detail) from error
        self._num_bytes += len(message.get("body", b""))
        self._check_size(self._num_bytes)
        self._check_sum()
        self._is_complete = not message.get("more_body", False)
        return message

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self._settings.max_upload_mb << 20:
            raise TooLargeError(
                f"the upload is larger than {self._settings.max_upload_mb} MiB; cut out the motion, scale its frames "
                "down, or set max_upload_mb",
            )

    def _check_number(self) -> None:
        num_arriving = sum(not body._is_complete for body in self._bodies)
        if num_arriving >= self._settings.max_uploads:
            raise _too_many(f"{num_arriving} uploads are arriving")

    def _check_sum(self) -> None:
        # No more than `max_requests` are at work: what goes beyond their size would take memory and disk for nothing.
        most_mb = self._settings.max_requests * self._settings.max_upload_mb
        if sum(body._num_bytes for body in self._bodies) > most_mb << 20:
            raise _too_many(f"the uploads that are here have {most_mb} MiB")


def _too_many(trouble: str) -> ServiceError:
    return TooManyUploadsError(f"{trouble}; come back in a moment")
