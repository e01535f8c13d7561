"""The ASGI messages that begin an answer: of a request, and of a WebSocket, accepted or refused."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import Message

_BEGINNINGS = ("http.response.start", "websocket.http.response.start", "websocket.accept")


def begun_status(message: Message) -> int | None:
    """Return the status of the answer that a message begins, 101 for a WebSocket; None where it begins none."""
    if message["type"] not in _BEGINNINGS:
        return None
    return int(message.get("status", HTTPStatus.SWITCHING_PROTOCOLS))


def add_headers(message: Message, headers: Mapping[str, str]) -> None:
    """Give a message that begins an answer these headers, too."""
    message.setdefault("headers", [])
    MutableHeaders(scope=message).update(headers)
