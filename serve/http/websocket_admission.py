"""WebSockets take a place among the requests for as long as they are open, and end with a problem as requests do."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from serve.errors import ServiceError
from serve.http.problems import failure, refusal


class WebSocketAdmission:
    """Holds `admit()` while a WebSocket is open; what that or the route raises is sent to the client."""

    def __init__(self, app: ASGIApp, admit: Callable[[], AbstractAsyncContextManager[None]]) -> None:
        self._app, self._admit = app, admit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on, or not."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            async with self._admit():
                await self._app(scope, receive, send)
        except WebSocketDisconnect:  # the client has left
            pass
        except ServiceError as error:
            await refusal(connection, error)(scope, receive, send)
        except Exception as error:
            await failure(connection, error)(scope, receive, send)
            raise
