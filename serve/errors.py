"""Everything that can go wrong with a request, answered as RFC 9457 problem+json."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

_log = logging.getLogger("serve")

RETRY_AFTER_S = 1


class ServiceError(HTTPException):
    """A request that is refused: `status_code`, a stable `error` word for programs, a `detail` for people."""

    def __init__(self, status: HTTPStatus, error: str, detail: str, *, retry_after_s: int = RETRY_AFTER_S) -> None:
        retry = status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
        super().__init__(status, detail, {"Retry-After": str(retry_after_s)} if retry else None)
        self.error = error


def install_error_handlers(app: FastAPI) -> None:
    """Make every answer of `app` that is not a success a problem."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(Exception, _broken)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    # What the framework itself refuses, such as an unknown path, is named after its status.
    word = error.error if isinstance(error, ServiceError) else status.phrase.lower().replace(" ", "_")
    return _problem(request, status, word, error.detail, dict(error.headers or {}))


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    reasons = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return _problem(request, HTTPStatus.BAD_REQUEST, "malformed_request", "; ".join(reasons), {})


async def _broken(request: Request, error: Exception) -> JSONResponse:
    _log.error("request %s failed with %s", request.state.request_id, type(error).__name__)  # the server logs the rest
    detail = "the service failed on this request; its log has the reason under this request_id"
    return _problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail, {})


def _problem(request: Request, status: HTTPStatus, error: str, detail: str, headers: dict[str, str]) -> JSONResponse:
    request.app.state.service.metrics.count_refusal(error)
    content = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        # The Open Inference Protocol has its messages where others find the word for programs.
        "error": f"{error}: {detail}" if request.url.path.startswith("/v2/") else error,
        "request_id": request.state.request_id,
    }
    # Answers to a failure inside the service are sent outside the middleware that would add this.
    headers |= {"X-Request-ID": request.state.request_id}
    return JSONResponse(content, status.value, headers, media_type="application/problem+json")
