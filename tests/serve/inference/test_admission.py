"""Who is let in: by what comes before a request, what it brings, and how long it may take."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest
from fastapi import Request
from starlette.types import Message

from export.bundle.folder import Bundle
from serve.errors import ServiceError
from serve.inference.admission import Admission
from serve.inference.repository import Repository
from serve.inference.served_model import ServedModel
from serve.service import Service
from serve.settings import Settings
from tests.support.batches import scene_of
from tests.support.fake_runtime import CLIP, Sleeper


def service_of(bundle: Bundle, model: ServedModel, **settings: Any) -> Service:
    models = Repository(lambda: [], lambda _: model, None)
    return Service(models, Settings(bundle=bundle.folder, num_decoders=1, max_batch=1, **settings))


def admitted(
    service: Service, model: ServedModel, num_clips: int, at_once: int = 16, timeout_s: float = 60
) -> AbstractAsyncContextManager[Admission]:
    """Return the admission of a request whose client stays."""

    async def receive() -> Message:
        await asyncio.sleep(3600)
        raise AssertionError

    headers = [(b"x-request-timeout", str(timeout_s).encode())]
    return service.admission.admit(Request({"type": "http", "headers": headers}, receive), model, num_clips, at_once)


async def word_of(admission: AbstractAsyncContextManager[Admission]) -> str:
    try:
        async with admission:
            return "admitted"
    except ServiceError as error:
        return error.word


def test_an_idle_service_recovers_from_a_slow_batch(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.inference.latency._FRESH_S", 2.0)
    stage = scene_of(bundle, 1.0, max_batch=1)
    service = service_of(bundle, stage.model)

    async def ask() -> str:
        try:
            async with admitted(service, stage.model, 1, timeout_s=0.6) as admission:
                await service.infer(admission, CLIP)
            return "answered"
        except ServiceError as error:
            return error.word

    async def scene() -> None:
        async with service.running():
            assert await ask() == "deadline"
            await asyncio.sleep(0.8)  # the batch ends
            stage.runtime.seconds = 0
            assert await ask() == "overloaded"
            await asyncio.sleep(2)
            assert [await ask(), await ask()] == ["answered", "answered"]

    asyncio.run(scene())


def test_a_request_is_let_in_by_what_comes_before_it_and_what_it_brings(bundle: Bundle) -> None:
    slow, fast = (ServedModel(bundle, Sleeper(0), name, "1") for name in ("slow", "fast"))
    slow.latency.note(1, 1.0)
    fast.latency.note(1, 0.01)
    service = service_of(bundle, slow)

    async def word(model: ServedModel, num_clips: int, timeout_s: float, at_once: int = 16) -> str:
        return await word_of(admitted(service, model, num_clips, at_once, timeout_s))

    async def scene() -> None:
        assert await word(slow, 8, 7.5) == "overloaded"  # its own clips alone
        async with AsyncExitStack() as stack:
            for _ in range(8):  # previews
                await stack.enter_async_context(admitted(service, slow, 0))
            assert await word(slow, 1, 1.5) == "admitted"
            await stack.enter_async_context(admitted(service, slow, 8))
            assert await word(fast, 1, 7.5) == "overloaded"
            assert await word(fast, 1, 8.5) == "admitted"
            assert await word(fast, 0, 0.5) == "admitted"
        async with admitted(service, fast, 8):
            assert await word(slow, 1, 1.5) == "admitted"
        async with admitted(service, slow, 34, at_once=4):  # an explanation lets others in between
            assert await word(slow, 1, 4.5) == "overloaded"
            assert await word(slow, 1, 5.5) == "admitted"
            assert await word(slow, 22, 45.5, at_once=4) == "overloaded"
            assert await word(slow, 22, 46.5, at_once=4) == "admitted"
        async with (
            admitted(service, slow, 20, at_once=4) as first,
            service.admission.turn(first),
            AsyncExitStack() as stack,
        ):
            held = await stack.enter_async_context(admitted(service, slow, 20, at_once=4))
            waiting = asyncio.create_task(stack.enter_async_context(service.admission.turn(held)))
            await asyncio.sleep(0)
            assert held.is_held and await word(slow, 1, 5.5) == "admitted"  # not before its turn, in which it is then
            waiting.cancel()
        assert service.admission.is_idle

    asyncio.run(scene())
