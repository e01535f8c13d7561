"""One line in the log a request, or a WebSocket at its end.

What was asked, by whom, how it ended and how long it took; never what was sent.
"""

import logging
import time
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http.asgi_messages import add_headers, begun_status
from serve.observability.tracing import RequestTrace

_log = logging.getLogger("serve.requests")

_QUIET = ("/static/", "/v2/health/", "/metrics", "/admin/state")  # what browsers and supervisors ask all the time


class RequestLog:
    """Logs every request and WebSocket, and carries its trace on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status: int | None = None
        trace = RequestTrace(Headers(scope=scope))

        async def note_status(message: Message) -> None:
            nonlocal status
            if (begun := begun_status(message)) is not None:
                status = begun
                add_headers(message, trace.headers)
            elif message["type"] == "websocket.close" and status is None:  # what the server makes of it
                status = HTTPStatus.FORBIDDEN.value
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            _write(scope, 500 if status is None else status, trace.id)  # it ended with an exception


def _write(scope: Scope, status: int, trace_id: str | None) -> None:
    state: dict[str, Any] = scope["state"]
    took_ms = round((time.perf_counter() - state["received_at"]) * 1000, 1)
    method = scope.get("method", "WEBSOCKET")
    path = scope["raw_path"].decode("latin-1")  # as it was sent: unquoted, it could hold the end of the line
    facts = {
        "request_id": state["request_id"],
        "trace_id": trace_id,
        "method": method,
        "path": path,
        "status": status,
        "error": state.get("error"),
        "key": state.get("key_name"),
        "took_ms": took_ms,
    }
    level = logging.DEBUG if status < 400 and scope["path"].startswith(_QUIET) else logging.INFO
    reason = f" {facts['error']}" if facts["error"] else ""
    message = f"{method} {path} {status}{reason}, {took_ms:.0f} ms, request {facts['request_id']}"
    _log.log(level, "%s", message, extra={name: fact for name, fact in facts.items() if fact is not None})
