"""What every request gets before anything else looks at it: an id, a clock and a limit to its size."""

import re
import time
import uuid
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import ServiceError

_ID = re.compile(r"[\w.:-]{1,128}")


class RequestEnvelope:
    """Sets `request.state.request_id` and `.received_at`, answers with X-Request-ID, and counts the body's bytes.

    The limit holds while the body arrives: a larger one is refused before it has filled the disk.
    """

    def __init__(self, app: ASGIApp, max_upload_mb: int) -> None:
        self._app, self._max_upload_mb = app, max_upload_mb

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {}).update(request_id=request_id, received_at=time.perf_counter())
        announced = int(headers.get("content-length", "0"))
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            if announced <= self._max_upload_mb << 20:
                message = await receive()
                received += len(message.get("body", b""))
                if received <= self._max_upload_mb << 20:
                    return message
            raise ServiceError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_large",
                f"the upload is larger than {self._max_upload_mb} MiB; cut out the motion, scale its frames down, or "
                "set RGBD_MOTION_MAX_UPLOAD_MB",
            )

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self._app(scope, receive_limited, send_named)
