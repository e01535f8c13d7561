"""Who is let in: keys and their limits, and no web page but the service's own."""

from urllib.parse import SplitResult, urlsplit

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
from serve.http.rate_limits import RateLimiter
from serve.keys import KeyRing
from serve.settings import Settings, is_address, is_loopback

_PUBLIC = ("/static/", "/v2/health/")  # what a browser needs before it has a key, and what supervisors ask
# Pages and references; of WebSockets, none is public.
_PUBLIC_PATHS = ("/", "/live", "/admin/status", "/docs", "/openapi.json", "/asyncapi.json")
KEY_PREFIX = "bearer."
"""Before a key that comes as a subprotocol of a WebSocket, because a browser can set no header."""

_ADMIN = ("/admin", "/v2/repository/")


def is_public(path: str) -> bool:
    """Return whether an address needs no key of a service that has keys."""
    return path.startswith(_PUBLIC) or path in _PUBLIC_PATHS


class AccessControl:
    """Refuses a request before its body is read, and a WebSocket before it is open: with 401, 403 or 429.

    Without keys everything is allowed, but only under the service's own names: a browser must not be turned against the
    service by a foreign page, not even by one whose name leads here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, keys: KeyRing | None, settings: Settings) -> None:
        self._app, self._keys, self._origins = app, keys, settings.cors_origins
        self._is_private, self._names = settings.is_private, {settings.host.lower(), *settings.allowed_hosts}
        self._asks_for_names = keys is None or bool(settings.allowed_hosts)
        self._limiter = RateLimiter()

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
        host, origin = request.headers.get("host"), request.headers.get("origin")
        name = _split(f"//{host}").hostname or ""
        if self._asks_for_names and host is not None and not self._is_own(name):  # browsers always name one
            raise ForeignHostError(
                f"the service was asked for as {host!r}, which is no name of its own that it knows; where it is one, "
                f"start the service with --allowed-hosts {name or 'NAME'}",
            )
        if origin is not None and _split(origin).netloc != host and origin not in self._origins:
            raise ForeignOriginError(
                f"a page of {origin} asked a service at {host or 'no host'}; start the service with --cors-origins "
                f"{origin} to allow that, or make the proxy in front of it pass the Host header on",
            )

    def _is_own(self, name: str) -> bool:
        """Return whether a host may be this service: a page elsewhere has a name, which may lead here, and no number.

        One that is for this machine alone can only be reached by the machine's own numbers.
        """
        return is_loopback(name) or name in self._names or (is_address(name) and not self._is_private)

    def _check_key(self, request: HTTPConnection) -> None:
        path = request.url.path
        if is_public(path) and request.scope["type"] == "http":
            return
        if self._keys is None:
            if path.startswith(_ADMIN) and not self._is_private:
                raise NotAdminError("start the service with keys to allow this")
            return
        token = _token(request)
        key = self._keys.find(token) if token is not None else None
        if key is None:
            raise UnknownKeyError("send a key of this service as: Authorization: Bearer KEY")
        request.state.key_name = key.name
        if path.startswith(_ADMIN) and not key.admin:
            raise NotAdminError(f"the key of {key.name} may not do this")
        if key.per_minute is not None:
            self._check_rate(key.name, key.per_minute)

    def _check_rate(self, name: str, per_minute: int) -> None:
        if wait_s := self._limiter.wait_s(name, per_minute):
            raise RateLimitError(f"{name} may ask {per_minute} times a minute; come back later", retry_after_s=wait_s)


def _token(request: HTTPConnection) -> str | None:
    """Return the key that a request came with; a browser's WebSocket can bring it as a subprotocol alone."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    offered = request.scope.get("subprotocols", ())
    return next((name.removeprefix(KEY_PREFIX) for name in offered if name.startswith(KEY_PREFIX)), None)


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # nobody's address
        return urlsplit("")
