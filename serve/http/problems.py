"""Everything that can go wrong with a request, answered as RFC 9457 problem+json."""

import errno
import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from serve.errors import ServiceError

_log = logging.getLogger("serve")

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # on the disk, in the quota, under the limit to files


def install_error_handlers(app: FastAPI) -> None:
    """Make every answer of `app` that is not a success a problem."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(OSError, _no_space)
    app.add_exception_handler(Exception, _broken)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_SPACE:  # the framework takes it for theirs
        return await _no_space(request, error.__cause__)
    return refusal(request, error)


async def _no_space(request: Request, error: Exception) -> JSONResponse:
    if not (isinstance(error, OSError) and error.errno in _NO_SPACE):
        raise error
    _log.error("no space for the upload of request %s: %s", request.state.request_id, error.strerror)
    detail = "there is no space for the upload at the moment; tell the service's owner, and come back later"
    return refusal(request, ServiceError(HTTPStatus.INSUFFICIENT_STORAGE, "no_space", detail))


def refusal(request: Request, error: HTTPException) -> JSONResponse:
    """Return the problem that a request is answered with."""
    status = HTTPStatus(error.status_code)
    return _problem(request, status, _word(error, status), error.detail, dict(error.headers or {}))


def _word(error: HTTPException, status: HTTPStatus) -> str:
    if isinstance(error, ServiceError):
        return error.error
    if status == HTTPStatus.BAD_REQUEST:  # a body in which the framework finds no form and no JSON
        return "malformed_request"
    return status.phrase.lower().replace(" ", "_")  # not_found, method_not_allowed: there is no such address


async def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    reasons = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
    return _problem(request, HTTPStatus.BAD_REQUEST, "malformed_request", "; ".join(reasons), {})


async def _broken(request: Request, error: Exception) -> JSONResponse:
    _log.error("request %s failed with %s", request.state.request_id, type(error).__name__)  # the server logs the rest
    detail = "the service failed on this request; its log has the reason under this request_id"
    return _problem(request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail, {})


def _problem(request: Request, status: HTTPStatus, error: str, detail: str, headers: dict[str, str]) -> JSONResponse:
    request.state.error = error
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
