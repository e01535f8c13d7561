"""Who is let in: keys and their limits, and no web page but the service's own."""

import math
import time
from urllib.parse import SplitResult, urlsplit

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.errors import (
    ForeignHostError,
    ForeignOriginError,
    NotAdminError,
    RateLimitError,
    ServiceError,
    UnknownKeyError,
)
from serve.http.problems import refusal
from serve.keys import ApiKey, find_key
from serve.settings import is_loopback

_PUBLIC = ("/static/", "/v2/health/")  # what a browser needs before it has a key, and what supervisors ask
_PUBLIC_PATHS = ("/", "/admin/status", "/docs", "/openapi.json")
_ADMIN = ("/admin", "/v2/repository/")


def is_public(path: str) -> bool:
    """Return whether an address needs no key of a service that has keys."""
    return path.startswith(_PUBLIC) or path in _PUBLIC_PATHS


class AccessControl:
    """Refuses a request before its body is read, and a WebSocket before it is open: with 401, 403 or 429.

    Without keys everything is allowed; if `is_private`, only to requests that name this machine as their host: a
    browser here must not be turned against the service by a foreign page, not even one whose name leads here.
    """

    def __init__(
        self, app: ASGIApp, keys: tuple[ApiKey, ...] | None, origins: tuple[str, ...], is_private: bool
    ) -> None:
        self._app, self._keys, self._origins, self._is_private = app, keys, origins, is_private
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or not."""
        if scope["type"] != "lifespan":
            connection = HTTPConnection(scope)
            try:
                self._check_sender(connection)
                self._check_key(connection)
            except ServiceError as error:
                await refusal(connection, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check_sender(self, request: HTTPConnection) -> None:
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if self._is_private and not is_loopback(_split(f"//{host}").hostname or ""):
            raise ForeignHostError(
                f"this service is for this machine alone, and was asked for as {host!r}; behind a proxy, give it keys "
                "or start it with --allow-anonymous",
            )
        if origin is not None and _split(origin).netloc != host and origin not in self._origins:
            raise ForeignOriginError(
                f"a page of {origin} asked a service at {host}; start the service with --cors-origins {origin} to "
                "allow that, or make the proxy in front of it pass the Host header on",
            )

    def _check_key(self, request: HTTPConnection) -> None:
        path = request.url.path
        if is_public(path) and request.scope["type"] == "http":
            return
        if self._keys is None:
            if path.startswith(_ADMIN) and not self._is_private:
                raise NotAdminError("start the service with keys to allow this")
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        key = find_key(self._keys, token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise UnknownKeyError("send a key of this service as: Authorization: Bearer KEY")
        request.state.key_name = key.name
        if path.startswith(_ADMIN) and not key.admin:
            raise NotAdminError(f"the key of {key.name} may not do this")
        if key.per_minute is not None:
            self._check_rate(key.name, RateLimitItemPerMinute(key.per_minute))

    def _check_rate(self, name: str, rate: RateLimitItemPerMinute) -> None:
        if not self._limiter.hit(rate, name):
            wait_s = self._limiter.get_window_stats(rate, name).reset_time - time.time()
            raise RateLimitError(
                f"{name} may ask {rate.amount} times a minute; come back later",
                retry_after_s=max(1, math.ceil(wait_s)),
            )


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # nobody's address
        return urlsplit("")
