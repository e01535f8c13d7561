"""Clients: send a clip to the service, wait their turn when it is busy, and return the typed answer."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Self, Unpack

import httpx

from clients.answers import Prediction, Timeline, parse_prediction, parse_timeline
from clients.errors import ClientError, InputError
from clients.http import READY, Service, authorization, check_answered, form_of
from clients.options import PredictOptions, TimelineFormat, TimelineOptions
from clients.uploads import Source, open_upload, packed_upload, streams_of

Recordings = Iterable[tuple[Source | None, Source | None]]
"""Colour and depth of each, as `Client.predict` takes them."""

_AHEAD = 2  # recordings taken for each that is asked about at once, so that a slow one does not hold up the others


class _Connection:
    """What both clients are made with."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        num_retries: int = 3,
    ) -> None:
        headers = authorization(api_key)
        del api_key  # tracebacks may show what a function's variables hold
        self._service = Service(url, headers, timeout_s, num_retries)
        with self._service.connecting():
            self._connect(**self._service.connection)

    @property
    def url(self) -> str:
        """The address, without the password that it may hold."""
        return self._service.url

    def _connect(self, **connection: Any) -> None:
        raise NotImplementedError


class Client(_Connection):
    """A connection to one service; use it as a context manager, or call `close`. Threads may share it.

    `api_key` is for services that ask for one. `timeout_s` bounds each silence of the service, `num_retries` how often
    a request is repeated when the service says that it is busy (429, 503), after the time its Retry-After header asks
    for. Raises `InputError` for what makes no sense.
    """

    def _connect(self, **connection: Any) -> None:
        self._http = httpx.Client(**connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self, rgb: Source | None = None, depth: Source | None = None, **asked: Unpack[PredictOptions]
    ) -> Prediction:
        """Return the service's answer for one clip.

        `rgb` and `depth` are each a file that the service reads, such as a video, or a folder of images; the model's
        modality says which are needed. A file with both streams, such as a camera's own, is given as `rgb`. Frames in
        memory are arrays of NumPy's: colour uint8 [T, H, W, 3], depth uint16 [T, H, W], whose rate `fps` and
        `depth_fps` say. What may be asked is explained by `PredictOptions`.
        Raises `InputError`, `UnreachableError`, `RefusedError` or `UnexpectedAnswerError`.
        """
        return parse_prediction(self._service.json_of(self._upload("/predict", rgb, depth, **asked)))

    def predict_many(
        self, recordings: Recordings, *, concurrency: int = 4, **asked: Unpack[PredictOptions]
    ) -> Generator[Prediction | ClientError, None, None]:
        """Yield the answer for each recording, in their order: a `Prediction`, or the error that `predict` raises.

        At most `concurrency` requests are under way at once. Recordings are taken as answers are, at most twice as many
        ahead, so that there may be any number of them. Whoever stops early waits for the requests under way.
        Raises `InputError` for a concurrency below 1.
        """
        return self._answers(recordings, concurrency, _num_ahead(concurrency), asked)

    def _answers(
        self, recordings: Recordings, concurrency: int, num_ahead: int, asked: PredictOptions
    ) -> Generator[Prediction | ClientError, None, None]:
        waiting: deque[Future[Prediction | ClientError]] = deque()
        pool = ThreadPoolExecutor(concurrency)
        try:
            for rgb, depth in recordings:
                waiting.append(pool.submit(self._outcome, rgb, depth, asked))
                while waiting and (len(waiting) == num_ahead or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _outcome(self, rgb: Source | None, depth: Source | None, asked: PredictOptions) -> Prediction | ClientError:
        try:
            return self.predict(rgb, depth, **asked)
        except ClientError as error:
            return error

    def timeline(
        self, rgb: Source | None = None, depth: Source | None = None, **asked: Unpack[TimelineOptions]
    ) -> Timeline:
        """Return what happens in a recording, and when: events, and what each of many overlapping windows shows.

        `rgb` and `depth` are as for `predict`, but their times must be known; raises as that does.
        """
        return parse_timeline(self._service.json_of(self._upload("/timeline", rgb, depth, **asked)))

    def timeline_text(
        self,
        format: TimelineFormat,
        rgb: Source | None = None,
        depth: Source | None = None,
        **asked: Unpack[TimelineOptions],
    ) -> str:
        """Return the same as a text for a file of this format."""
        return self._upload("/timeline", rgb, depth, format=format, **asked).text

    def check_ready(self) -> None:
        """Return when the service is ready to predict; raises like `predict` when it is not."""
        self._send("GET", READY)

    def _upload(self, address: str, rgb: Source | None, depth: Source | None, **asked: Any) -> httpx.Response:
        form = form_of(asked)
        with ExitStack() as opened:
            files = {
                stream: open_upload(packed_upload(stream, source), opened)
                for stream, source in streams_of(rgb, depth).items()
            }
            return self._send("POST", address, **form.content(files))

    def _send(self, method: str, address: str, **content: Any) -> httpx.Response:
        num_sent = 0
        while True:
            with self._service.named():
                response = self._http.request(method, address, **content)  # httpx rewinds the files each time
            num_sent += 1
            wait_s = self._service.wait_s(response, num_sent)
            if wait_s is None:
                check_answered(response)
                return response
            time.sleep(wait_s)


class AsyncClient(_Connection):
    """The same for programs with an event loop: an asynchronous context manager, or call `aclose`.

    A call that is cancelled is over at once, and leaves no file and no connection open.
    """

    def _connect(self, **connection: Any) -> None:
        self._http = httpx.AsyncClient(**connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """See `Client.close`."""
        await self._http.aclose()

    async def predict(
        self, rgb: Source | None = None, depth: Source | None = None, **asked: Unpack[PredictOptions]
    ) -> Prediction:
        """See `Client.predict`."""
        return parse_prediction(self._service.json_of(await self._upload("/predict", rgb, depth, **asked)))

    def predict_many(
        self, recordings: Recordings, *, concurrency: int = 4, **asked: Unpack[PredictOptions]
    ) -> AsyncGenerator[Prediction | ClientError, None]:
        """See `Client.predict_many`; whoever stops early closes it (`contextlib.aclosing`), which cancels the rest."""
        num_ahead = _num_ahead(concurrency)
        return self._answers(recordings, asyncio.Semaphore(concurrency), num_ahead, asked)

    async def _answers(
        self, recordings: Recordings, places: asyncio.Semaphore, num_ahead: int, asked: PredictOptions
    ) -> AsyncGenerator[Prediction | ClientError, None]:
        waiting: deque[asyncio.Task[Prediction | ClientError]] = deque()
        try:
            for rgb, depth in recordings:
                waiting.append(asyncio.create_task(self._outcome(places, rgb, depth, asked)))
                while waiting and (len(waiting) == num_ahead or waiting[0].done()):
                    yield await waiting[0]
                    waiting.popleft()
            while waiting:
                yield await waiting[0]
                waiting.popleft()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _outcome(
        self, places: asyncio.Semaphore, rgb: Source | None, depth: Source | None, asked: PredictOptions
    ) -> Prediction | ClientError:
        async with places:
            try:
                return await self.predict(rgb, depth, **asked)
            except ClientError as error:
                return error

    async def timeline(
        self, rgb: Source | None = None, depth: Source | None = None, **asked: Unpack[TimelineOptions]
    ) -> Timeline:
        """See `Client.timeline`."""
        return parse_timeline(self._service.json_of(await self._upload("/timeline", rgb, depth, **asked)))

    async def timeline_text(
        self,
        format: TimelineFormat,
        rgb: Source | None = None,
        depth: Source | None = None,
        **asked: Unpack[TimelineOptions],
    ) -> str:
        """See `Client.timeline_text`."""
        return (await self._upload("/timeline", rgb, depth, format=format, **asked)).text

    async def check_ready(self) -> None:
        """See `Client.check_ready`."""
        await self._send("GET", READY)

    async def _upload(self, address: str, rgb: Source | None, depth: Source | None, **asked: Any) -> httpx.Response:
        form = form_of(asked)
        # Packing takes its time, and so a thread; it ends in memory, where nothing stays open if this is cancelled.
        packed = {
            stream: await asyncio.to_thread(packed_upload, stream, source)
            for stream, source in streams_of(rgb, depth).items()
        }
        with ExitStack() as opened:
            files = {stream: open_upload(upload, opened) for stream, upload in packed.items()}
            return await self._send("POST", address, **form.content(files))

    async def _send(self, method: str, address: str, **content: Any) -> httpx.Response:
        num_sent = 0
        while True:
            with self._service.named():
                response = await self._http.request(method, address, **content)
            num_sent += 1
            wait_s = self._service.wait_s(response, num_sent)
            if wait_s is None:
                check_answered(response)
                return response
            await asyncio.sleep(wait_s)


def _num_ahead(concurrency: int) -> int:
    """Return how many recordings are taken ahead; raises `InputError` for fewer requests at once than one."""
    if concurrency < 1:
        raise InputError(f"concurrency {concurrency}: give 1 or more")
    return _AHEAD * concurrency
