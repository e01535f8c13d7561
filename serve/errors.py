"""What a request is refused with."""

from http import HTTPStatus

from starlette.exceptions import HTTPException

RETRY_AFTER_S = 1


class ServiceError(HTTPException):
    """A request that is refused: `status_code`, a stable `error` word for programs, a `detail` for people."""

    def __init__(self, status: HTTPStatus, error: str, detail: str, *, retry_after_s: int = RETRY_AFTER_S) -> None:
        headers = {}
        if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            headers["Retry-After"] = str(retry_after_s)
        if status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        super().__init__(status, detail, headers)
        self.error = error
