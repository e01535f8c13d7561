"""What every request gets before anything else looks at it: an id, a clock, limits to its body; and safe headers."""

import re
import time
import uuid

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http.asgi_messages import add_headers, begun_status
from serve.http.body_limits import LimitedBody
from serve.http.content_encoding import unpacked
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
_DOCS_POLICY = _POLICY.replace(
    "script-src 'self'", "script-src 'self' 'unsafe-inline'"
)  # the viewer's page has a script


class RequestContext:
    """Sets `request.state.request_id` and `.received_at`, answers with X-Request-ID and safe headers.

    A body that is too large, or too slow, is refused while it arrives, and so is what is too much beside others.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._bodies: set[LimitedBody] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {}).update(request_id=request_id, received_at=time.perf_counter())
        policy = _DOCS_POLICY if scope["path"] == "/docs" else _POLICY
        added = _HEADERS | {"Content-Security-Policy": policy, "X-Request-ID": request_id}

        async def send_safely(message: Message) -> None:
            if begun_status(message) is not None:
                add_headers(message, added)
            if message["type"] == "websocket.accept":
                scope["state"]["is_open_websocket"] = True
            await send(message)

        if scope["type"] == "websocket":  # the server limits its messages
            await self._app(scope, receive, send_safely)
            return
        plain = unpacked(receive, headers.get("content-encoding", ""))  # first: what it unpacks to is limited, too
        body = LimitedBody(plain, int(headers.get("content-length", "0")), self._settings, self._bodies)
        try:
            await self._app(scope, body.receive, send_safely)
        finally:
            self._bodies.discard(body)
