"""Everything that can go wrong with a request, answered as RFC 9457 problem+json."""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from rgbd.errors import is_no_space
from serve.errors import (
    InternalError,
    MalformedRequestError,
    MethodNotAllowedError,
    NoSpaceError,
    NotFoundError,
    ServiceError,
)

_log = logging.getLogger("serve")

_OF_FRAMEWORK: dict[int, type[ServiceError]] = {
    # What the framework refuses by itself: a body in which it finds no form and no JSON, and what is not there.
    kind.status: kind
    for kind in (MalformedRequestError, NotFoundError, MethodNotAllowedError)
}

_MAX_REASON_BYTES = 123  # what a WebSocket's close frame has room for
_POLICY_VIOLATION = 1008  # codes of RFC 6455, and of IANA's list
_CLOSE_CODES: dict[int, int] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: 1009,
    HTTPStatus.INTERNAL_SERVER_ERROR: 1011,
    HTTPStatus.TOO_MANY_REQUESTS: 1013,
    HTTPStatus.SERVICE_UNAVAILABLE: 1013,
}


def install_error_handlers(app: FastAPI) -> None:
    """Make every answer of `app` that is not a success a problem."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(WebSocketRequestValidationError, _malformed)
    app.add_exception_handler(OSError, _no_space)
    app.add_exception_handler(Exception, _broken)


class ProblemResponse(JSONResponse):
    """A problem as the answer to a request, or to a WebSocket; one that is open already is closed with it."""

    media_type = "application/problem+json"

    def __init__(self, status: int, word: str, document: Mapping[str, str | int], headers: Mapping[str, str]):
        super().__init__(document, status, headers)
        self._code = _CLOSE_CODES.get(status, _POLICY_VIOLATION)
        reason = f"{word}: {document['detail']}".encode()[:_MAX_REASON_BYTES]
        self._reason = reason.decode(errors="ignore")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if scope["state"].get("is_open_websocket"):
            await send({"type": "websocket.close", "code": self._code, "reason": self._reason})
        else:
            await super().__call__(scope, receive, send)


async def _refused(request: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, OSError) and is_no_space(error.__cause__):  # the framework takes it for theirs
        return await _no_space(request, error.__cause__)
    return refusal(request, error)


async def _no_space(request: HTTPConnection, error: Exception) -> JSONResponse:
    if not (isinstance(error, OSError) and is_no_space(error)):
        raise error
    _log.error("no space for the upload of request %s: %s", request.state.request_id, error.strerror)
    detail = "there is no space for the upload at the moment; tell the service's owner, and come back later"
    return refusal(request, NoSpaceError(detail))


def refusal(request: HTTPConnection, error: HTTPException) -> JSONResponse:
    """Return the problem that a request is answered with, which is counted and logged by its word."""
    word, _ = _named(error)
    request.state.error = word
    request.app.state.service.metrics.count_refusal(word)
    request_id = request.state.request_id
    document = problem_document(error, request_id, is_protocol=request.url.path.startswith("/v2/"))
    # Answers to a failure inside the service are sent outside the middleware that would add this.
    headers = {**(error.headers or {}), "X-Request-ID": request_id}
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"  # as `HeadAsGet` has it
    return ProblemResponse(error.status_code, word, document, headers)


def _named(error: HTTPException) -> tuple[str, str]:
    """Return the word and the title of an error, the framework's own included."""
    kind = type(error) if isinstance(error, ServiceError) else _OF_FRAMEWORK.get(error.status_code)
    if kind is None:
        phrase = HTTPStatus(error.status_code).phrase
        return phrase.lower().replace(" ", "_"), phrase
    return kind.word, kind.title


async def _malformed(request: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, (RequestValidationError, WebSocketRequestValidationError))
    reasons = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return refusal(request, MalformedRequestError("; ".join(reasons)))


async def _broken(request: HTTPConnection, error: Exception) -> JSONResponse:
    return failure(request, error)


def failure(request: HTTPConnection, error: Exception) -> JSONResponse:
    """Return what a request is answered with that ended with a defect of the service."""
    _log.error("request %s failed with %s", request.state.request_id, type(error).__name__)  # the server logs the rest
    detail = "the service failed on this request; its log has the reason under this request_id"
    return refusal(request, InternalError(detail))


def problem_document(error: HTTPException, request_id: str, *, is_protocol: bool) -> dict[str, str | int]:
    """Return a problem as it is sent; `is_protocol` below /v2/, as the Open Inference Protocol has them."""
    word, title = _named(error)
    return {
        "type": f"urn:rgbd-motion:error:{word}",
        "title": title,
        "status": error.status_code,
        "detail": error.detail,
        # The protocol has its messages where others find the word for programs.
        "error": f"{word}: {error.detail}" if is_protocol else word,
        "request_id": request_id,
    }
