"""The HTTP server: how it listens, how long it waits for a request, and how it stops."""

import asyncio
import math
import resource
import socket
import time
from types import FrameType

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from rgbd.errors import UserError
from serve.service import Service

_FAREWELL_S = 2  # for what had to end, to say so: closing comes first for a WebSocket, and then it cannot
_CLOSE_S = 3  # after the last answer connections are closed: what still arrives on them would be refused
_LINGER_S = 3  # for who still sends what was refused, to read why
_PING_S = 10  # who does not answer for as long has left, or reads nothing


class DrainingServer(uvicorn.Server):
    """Told to stop, it sends new requests away, and ends with those at work; told again, it stops.

    They have `drain_s`: what is not ready by then is answered with 504.
    """

    def __init__(self, app: FastAPI) -> None:
        service: Service = app.state.service
        super().__init__(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                ws_max_size=service.settings.max_upload_mb << 20,
                ws_per_message_deflate=False,  # frames are packed already
                ws_ping_interval=_PING_S,
                ws_ping_timeout=_PING_S,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=_CLOSE_S,
            )
        )
        self._service = service
        self._closes_at = math.inf

    def handle_exit(self, _signal: int, _frame: FrameType | None) -> None:
        """Take Ctrl-C or SIGTERM."""
        self.should_exit = self.was_told_to_stop
        drain_s = self._service.settings.drain_s
        self._closes_at = time.monotonic() + drain_s + _FAREWELL_S
        # A signal comes in the middle of anything: what has to do with the event loop is done by the loop.
        asyncio.get_running_loop().call_soon_threadsafe(self._service.admission.drain, drain_s)

    @property
    def was_told_to_stop(self) -> bool:
        """Whether a signal has come, rather than the service having ended by itself."""
        return self._closes_at < math.inf

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to close; asked ten times a second."""
        service = self._service
        is_over = (service.admission.is_draining and service.admission.is_idle) or service.supervisor.has_given_up
        return await super().on_tick(counter) or is_over or time.monotonic() > self._closes_at


class PatientProtocol(H11Protocol):
    """A connection that is closed when it does not come to the point, or goes on sending what was refused.

    h11 keeps the state that this needs, and bounds the head of a request. httptools does neither; it would save 1 ms of
    an upload of 1 MB.
    """

    _head_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(transport)
        assert isinstance(self.config.app, FastAPI)
        self._service: Service = self.config.app.state.service
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take what arrived; a head that has begun must end in time, however many requests came before."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_head()
        elif self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _expect_head(self) -> None:
        if self._head_due is None:
            self._head_due = self.loop.call_later(self._service.settings.upload_s, self.transport.close)

    def on_response_complete(self) -> None:
        """Go on after an answer; when it came before the end of the upload, the client gets a moment to read it."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.loop.call_later(_LINGER_S, self._close_if_still_sending, self.cycle)

    def _close_if_still_sending(self, cycle: RequestResponseCycle) -> None:
        if self.cycle is cycle and self.conn.their_state is h11.SEND_BODY:
            self.transport.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, for as many connections as the system allows; raises `UserError`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # from here on clients that connect wait for an answer instead of being refused
    except OSError as error:
        raise UserError(f"{host}:{port}: cannot be listened on ({error.strerror}); choose another --port") from error
    return listener
