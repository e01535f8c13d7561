"""What every request gets before anything else looks at it: an id, a clock, limits to its body; and safe headers."""

import asyncio
import re
import time
import uuid
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import ServiceError
from serve.settings import Settings

_ID = re.compile(r"[\w.:-]{1,128}")

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
# The viewer of the API's reference is FastAPI's, with a script in the page and the rest from a public address.
_DOCS = "https://cdn.jsdelivr.net"
_DOCS_POLICY = (
    f"default-src 'none'; script-src {_DOCS} 'unsafe-inline'; style-src {_DOCS}; connect-src 'self'; "
    "img-src data: https://fastapi.tiangolo.com; frame-ancestors 'none'"
)


class RequestEnvelope:
    """Sets `request.state.request_id` and `.received_at`, answers with X-Request-ID and safe headers.

    A body that is too large, or too slow, is refused while it arrives, and so is what is too much beside others.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._bodies: set[_Body] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {}).update(request_id=request_id, received_at=time.perf_counter())
        policy = _DOCS_POLICY if scope["path"] == "/docs" else _POLICY
        added = _HEADERS | {"Content-Security-Policy": policy, "X-Request-ID": request_id}

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(added)
            await send(message)

        body = _Body(receive, int(headers.get("content-length", "0")), self._settings, self._bodies)
        try:
            await self._app(scope, body.receive, send_safely)
        finally:
            self._bodies.discard(body)


class _Body:
    """A request's body on its way in; `bodies` are those of all requests that have no answer yet."""

    def __init__(self, receive: Receive, announced: int, settings: Settings, bodies: "set[_Body]") -> None:
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
            raise ServiceError(HTTPStatus.REQUEST_TIMEOUT, "upload_timeout", detail) from error
        self._num_bytes += len(message.get("body", b""))
        self._check_size(self._num_bytes)
        self._check_sum()
        self._is_complete = not message.get("more_body", False)
        return message

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self._settings.max_upload_mb << 20:
            raise ServiceError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_large",
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
    return ServiceError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_uploads", f"{trouble}; come back in a moment")
