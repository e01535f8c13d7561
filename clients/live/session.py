"""One live stream: frames go in as they are taken, what they show comes out as it is known."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from typing import Any, Self

import httpx
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import connect

from clients.errors import InputError, RefusedError, UnexpectedAnswerError, UnreachableError
from clients.http import authorization, check_authorization
from clients.live.messages import END, SUBPROTOCOL, Ended, Frame, Ready, Said, Stream, hello, pack, read, read_ready


class _Asked:
    """Where a stream goes to, and what is asked about it."""

    def __init__(
        self,
        url: str,
        sizes: Mapping[Stream, tuple[int, int]],
        headers: httpx.Headers | None,
        timeout_s: float,
        asked: Mapping[str, Any],
    ) -> None:
        check_authorization(headers)
        if not url.startswith(("http://", "https://")):
            raise InputError(f"{url}: is not an address; give one like http://127.0.0.1:8000")
        if not sizes:
            raise InputError("no stream was given; say which there are, and how large their frames are")
        self.url, self.hello, self.timeout_s = url, hello(sizes, **asked), timeout_s
        self.connection: dict[str, Any] = {
            "uri": url.replace("http", "ws", 1).rstrip("/") + "/live",
            "subprotocols": [SUBPROTOCOL],
            "additional_headers": headers,
            "open_timeout": timeout_s,
            "max_size": None,
            "compression": None,  # frames are packed already
        }

    @contextmanager
    def named(self) -> Iterator[None]:
        """Turn what the connection raises into errors that say what to do."""
        try:
            yield
        except InvalidStatus as error:
            raise _refusal(error) from error
        except (InvalidURI, InvalidHandshake) as error:
            raise UnexpectedAnswerError(f"{self.url}: no live streams are taken there ({error})") from error
        except ConnectionClosed as error:
            raise UnreachableError(f"{self.url}: the connection was lost ({error}); connect again") from error
        except TimeoutError as error:
            raise UnreachableError(f"{self.url}: no answer in time; try a longer timeout") from error
        except OSError as error:
            raise UnreachableError(f"{self.url}: cannot be reached ({error}); is the service running?") from error


def _refusal(error: InvalidStatus) -> RefusedError:
    response, problem = error.response, {}
    with suppress(ValueError):
        problem = json.loads(response.body or b"")
    detail = str(problem.get("detail", f"{response.status_code} {response.reason_phrase}"))
    return RefusedError(
        response.status_code, str(problem.get("error", "http_error")), detail, problem.get("request_id")
    )


class _Opening:
    """What both kinds of live streams are made with."""

    ready: Ready
    """How the stream is looked at."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        sizes: Mapping[Stream, tuple[int, int]],
        api_key: str | None = None,
        timeout_s: float = 60.0,
        **asked: Any,
    ) -> None:
        headers = authorization(api_key)
        del api_key  # tracebacks may show what a function's variables hold
        self._asked = _Asked(url, sizes, headers, timeout_s, asked)
        self._is_over = False


class Live(_Opening):
    """A live stream; use it as a context manager, and iterate over it for what the service says.

    One thread may send while another iterates; in a single one, `pending` gives what has come so far. `sizes` are
    (width, height) of the frames of each stream, "rgb", "depth" or both. What else may be asked is in docs/live.md:
    `model`, `version`, `window_s`, `every`, `top_k`, `people`, `prepared`, `depth_scale_mm`, `camera`, `intrinsics`,
    `accepted`, `begin`, `keep`, `smoothing`.

    Entering, sending and iterating raise `RefusedError` with the service's reason, or `UnreachableError`.
    """

    def __enter__(self) -> Self:
        with ExitStack() as opened, self._asked.named():
            self._socket = opened.enter_context(connect(**self._asked.connection))
            self._socket.send(self._asked.hello)
            self.ready = read_ready(self._socket.recv(self._asked.timeout_s))
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def send(self, stream: Stream, time_s: float, frame: Frame) -> None:
        """Send a frame, uint8 RGB [H, W, 3] or uint16 depth [H, W], that was taken at a time in seconds of any clock.

        Raises `InputError` for what is no frame.
        """
        self._say(pack(stream, time_s, frame))

    def end(self) -> None:
        """Say that no more frames come: what waits is answered."""
        self._say(END)

    def _say(self, message: str | bytes) -> None:
        try:
            with self._asked.named():
                self._socket.send(message)
        except UnreachableError:
            for _ in self:  # why it was closed may wait among what was said
                pass
            raise

    def __iter__(self) -> Iterator[Said]:
        """Yield what the service says, up to `Ended`."""
        while not self._is_over:
            yield from self._heard(None)

    def pending(self) -> Iterator[Said]:
        """Yield what it has said so far, without waiting."""
        with suppress(TimeoutError):
            while not self._is_over:
                yield from self._heard(0)

    def _heard(self, timeout_s: float | None) -> Iterator[Said]:
        try:
            text = self._socket.recv(timeout_s)
        except ConnectionClosed:
            self._is_over = True
            with self._asked.named():
                raise
        said = read(text)
        self._is_over = isinstance(said, Ended)
        if said is not None:
            yield said


class AsyncLive(_Opening):
    """The same for programs with an event loop: an asynchronous context manager, and iterator."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            with self._asked.named():
                self._socket = await opened.enter_async_context(connect_async(**self._asked.connection))
                await self._socket.send(self._asked.hello)
                async with asyncio.timeout(self._asked.timeout_s):
                    self.ready = read_ready(await self._socket.recv())
            self._opened = opened.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def send(self, stream: Stream, time_s: float, frame: Frame) -> None:
        """See `Live.send`."""
        await self._say(pack(stream, time_s, frame))

    async def end(self) -> None:
        """See `Live.end`."""
        await self._say(END)

    async def _say(self, message: str | bytes) -> None:
        try:
            with self._asked.named():
                await self._socket.send(message)
        except UnreachableError:
            async for _ in self:
                pass
            raise

    async def __aiter__(self) -> AsyncIterator[Said]:
        """Yield what the service says, up to `Ended`."""
        while not self._is_over:
            try:
                text = await self._socket.recv()
            except ConnectionClosed:
                self._is_over = True
                with self._asked.named():
                    raise
            said = read(text)
            self._is_over = isinstance(said, Ended)
            if said is not None:
                yield said
