"""`/live`: a camera's frames come over a WebSocket, and what they show is said as soon as it is known."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel
from starlette.websockets import WebSocketDisconnect

from export.predictor.streams.events import Event
from export.predictor.streams.first_look import View
from export.predictor.streams.session import Said
from serve.concurrency.task_group import gather_or_cancel
from serve.errors import IdleError, MalformedRequestError, ServiceError, SlowReaderError
from serve.http.problems import problem_document
from serve.live.frame_queue import FrameQueue
from serve.live.messages import (
    SUBPROTOCOL,
    AnswerMessage,
    Draining,
    Dropped,
    Ended,
    EventMessage,
    Hello,
    ProblemMessage,
    Ready,
    ViewMessage,
    parse,
    unpack,
)
from serve.live.sessions import Session
from serve.schemas import Prediction, Problem
from serve.service import Answering, Service

router = APIRouter()

_HELLO_S = 10.0  # for the first message
_READ_S = 5.0  # for the client to read what it is told
_BEHIND, _LEAST_BEHIND_S = (
    2,
    0.1,
)  # sampled frames that may wait, and seconds, if those are shorter; older ones are late


@router.websocket("/live")
async def live(websocket: WebSocket, service: Answering) -> None:
    """Follow a stream to its end."""
    if SUBPROTOCOL not in websocket.scope["subprotocols"]:
        raise MalformedRequestError(f"/live speaks the subprotocol {SUBPROTOCOL}; ask for it")
    await websocket.accept(SUBPROTOCOL)
    try:
        hello = await _hello(websocket)
        model = service.models.get(hello.model, hello.version)
        async with service.live.open(hello, model) as session:
            await _Conversation(websocket, service, session, hello).run()
    except ServiceError as error:
        await _tell_problem(websocket, error)
        raise


async def _hello(websocket: WebSocket) -> Hello:
    message = await _received(websocket, _HELLO_S, "no hello")
    if isinstance(message, bytes):
        raise MalformedRequestError("a frame came before hello, which says what frames there will be")
    said = parse(message)
    if not isinstance(said, Hello):
        raise MalformedRequestError(f"{said.type} came before hello")
    return said


async def _received(websocket: WebSocket, within_s: float, what: str) -> str | bytes:
    """Return the next message; raises 408 where none comes in time."""
    try:
        async with asyncio.timeout(within_s):
            message = await websocket.receive()
    except TimeoutError as error:
        detail = f"{what} came for {within_s:g} s; send frames, or open another stream when there are some"
        raise IdleError(detail) from error
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"], message.get("reason"))
    content: str | bytes = message["text"] if message.get("bytes") is None else message["bytes"]
    return content


async def _tell_problem(websocket: WebSocket, error: ServiceError) -> None:
    """Say why the connection is about to be closed, as far as the client reads it."""
    document = problem_document(error, websocket.state.request_id, is_protocol=False)
    with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
        async with asyncio.timeout(1):
            await websocket.send_text(ProblemMessage(problem=Problem.model_validate(document)).model_dump_json())


class _Conversation:
    """One stream from hello to end."""

    def __init__(self, websocket: WebSocket, service: Service, session: Session, hello: Hello) -> None:
        self._websocket, self._service, self._session, self._hello = websocket, service, session, hello
        self._queue = FrameQueue(max(_BEHIND * session.pace.interval_s, _LEAST_BEHIND_S))
        self._num_answers = 0
        self._counted = Counter[str]()
        self._knows_of_drain = False

    async def run(self) -> None:
        """Take frames and answer until the client ends it."""
        session, pace = self._session, self._session.pace
        await self._say(
            Ready(
                session=self._websocket.state.request_id,
                model=session.model.reply,
                labels=session.model.bundle.manifest.labels,
                window_s=pace.window_s,
                interval_s=pace.interval_s,
                step_s=pace.step_s,
                lag_s=session.lag_s,
            )
        )
        try:
            await gather_or_cancel([self._receive(), self._answer()])
        finally:
            self._count_frames(num_waiting=0)
        await self._websocket.close()

    async def _receive(self) -> None:
        """Put frames into the queue until the client says that there are no more."""
        idle_s = self._service.settings.live_idle_s
        while isinstance(message := await _received(self._websocket, idle_s, "no frame"), bytes):
            frame = unpack(message)
            if frame.stream not in self._hello.streams:
                raise MalformedRequestError(f"a frame of {frame.stream} came, which hello does not announce")
            self._queue.put(frame)
        if isinstance(parse(message), Hello):
            raise MalformedRequestError("hello came twice; open another connection for another stream")
        self._queue.end()

    async def _answer(self) -> None:
        """Say what frames show, as long as some come."""
        while packed := await self._queue.take():
            came_at = self._queue.newest_at
            await self._tell(await self._session.add(packed), came_at)
            self._count_frames(self._queue.num_waiting + self._session.num_waiting)
        await self._tell(await self._session.end(), self._queue.newest_at)
        await self._say(Ended(frames=self._queue.num_frames, answers=self._num_answers, dropped=self._dropped))

    def _count_frames(self, num_waiting: int) -> None:
        """Count the frames of which it is known since the last time what became of them; so many wait."""
        dropped: dict[str, int] = self._dropped.model_dump()
        fates = Counter(dropped | {"seen": self._queue.num_frames - num_waiting - sum(dropped.values())})
        self._service.metrics.count_frames(**(fates - self._counted))
        self._counted = fates

    async def _tell(self, said: Iterable[Said], came_at: float) -> None:
        if self._service.admission.is_draining and not self._knows_of_drain:
            self._knows_of_drain = True
            await self._say(Draining(within_s=self._service.settings.drain_s))
        for item in said:
            await self._say(self._message(item, came_at))

    def _message(self, said: Said, came_at: float) -> BaseModel:
        if isinstance(said, View):
            return ViewMessage.model_validate(said, from_attributes=True)
        if isinstance(said, Event):
            return EventMessage.model_validate(said, from_attributes=True)
        self._num_answers += 1
        lag_ms = 1000 * (time.perf_counter() - came_at)
        self._service.metrics.observe_lag(lag_ms / 1000)
        return AnswerMessage(
            predictions=[Prediction(**asdict(score)) for score in said.predictions],
            known=said.known,
            confidence=said.confidence,
            start_s=said.start,
            end_s=said.end,
            lag_ms=lag_ms,
            dropped=self._dropped,
        )

    @property
    def _dropped(self) -> Dropped:
        return Dropped(late=self._queue.num_late, unpaired=self._session.num_unpaired)

    async def _say(self, message: BaseModel) -> None:
        """Send a message; raises 408 where the client does not read."""
        try:
            async with asyncio.timeout(_READ_S):
                await self._websocket.send_text(message.model_dump_json())
        except TimeoutError as error:
            raise SlowReaderError(
                f"what was said was not read for {_READ_S:g} s; read the answers while you send"
            ) from error
