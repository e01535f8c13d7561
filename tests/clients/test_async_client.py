"""The client for programs with an event loop: it answers, waits and fails as the other one does."""

import asyncio
import gc
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from clients.answers import Prediction
from clients.client import AsyncClient, Client
from clients.errors import BusyError, ClientError, InputError, RefusedError, UnexpectedAnswerError, UnreachableError
from tests.support.client_recording import color_frames, depth_frames, write_frames, write_recording
from tests.support.scripted import OK, scripted
from tests.support.server import running_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle"))) as server:
        yield server.url


def without_times(answer: Any) -> Any:
    return {name: value for name, value in asdict(answer).items() if name not in ("request_id", "timing_ms")}


def test_both_clients_answer_the_same(url: str, tmp_path: Path) -> None:
    rgb = write_frames(tmp_path / "rgb", color_frames(12), ".png")
    depth = write_frames(tmp_path / "depth", depth_frames(12), ".png")

    async def ask() -> tuple[Any, ...]:
        async with AsyncClient(url) as client:
            await client.check_ready()
            return (
                await client.predict(rgb, depth, top_k=2, windows=2),
                await client.timeline(rgb, depth, fps=4, window_s=1),
                await client.timeline_text("csv", rgb, depth, fps=4, window_s=1),
            )

    answer, timeline, text = asyncio.run(ask())
    with Client(url) as client:
        assert without_times(answer) == without_times(client.predict(rgb, depth, top_k=2, windows=2))
        assert without_times(timeline) == without_times(client.timeline(rgb, depth, fps=4, window_s=1))
        assert text == client.timeline_text("csv", rgb, depth, fps=4, window_s=1)


def test_a_busy_service_is_asked_again_after_the_time_that_it_says(tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    busy = (429, {"Retry-After": "0.3"}, b"{}")

    async def ask(url: str, **options: Any) -> str:
        async with AsyncClient(url, **options) as client:
            return (await client.predict(rgb)).predictions[0].label

    with scripted(busy, OK, busy, busy) as (url, server):
        begun = time.monotonic()
        assert asyncio.run(ask(url)) == "wave"
        assert time.monotonic() - begun >= 0.3
        with pytest.raises(BusyError):
            asyncio.run(ask(url, num_retries=1))
    assert [rgb.read_bytes() in body for body in server.bodies] == [True] * 4


def error_of(url: str, path: Path | None, **options: Any) -> ClientError:
    """Return what the asynchronous client raises, after checking that the other one raises the same."""

    async def ask() -> None:
        async with AsyncClient(url, **options) as client:
            await client.predict(path)

    with pytest.raises(ClientError) as theirs, Client(url, **options) as client:
        client.predict(path)
    with pytest.raises(ClientError) as ours:
        asyncio.run(ask())
    assert type(ours.value) is type(theirs.value)
    ours_said, theirs_said = (re.sub(r"\(.*\)", "", str(error.value)) for error in (ours, theirs))  # but for the cause
    assert ours_said == theirs_said
    return ours.value


def test_both_clients_fail_the_same(url: str, tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    assert isinstance(error_of(url, rgb), RefusedError)
    for address, path in ((url, None), (url, tmp_path / "nowhere"), ("somewhere", rgb), ("http://a..b", rgb)):
        assert isinstance(error_of(address, path), InputError)
    assert isinstance(error_of("http://127.0.0.1:9", rgb), UnreachableError)
    for options in ({"timeout_s": 0.0}, {"num_retries": -1}, {"api_key": "é"}):
        assert isinstance(error_of(url, rgb, **options), InputError)
    for body in (b"[]", b"<html>"):
        with scripted(*[(200, {}, body)] * 2) as (nonsense, _):
            assert isinstance(error_of(nonsense, rgb), UnexpectedAnswerError)
    with scripted(OK, OK) as (there, _):
        assert isinstance(error_of(there, Path("/proc/self/mem")), InputError)  # it opens, and cannot be read


def open_here() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_a_call_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)

    async def cancel(silent: socket.socket) -> None:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        loop = asyncio.get_running_loop()
        async with AsyncClient(url) as client:
            before = open_here()
            asked = asyncio.create_task(client.predict(rgb))
            connection, _ = await loop.sock_accept(silent)
            with connection:
                connection.setblocking(False)
                await loop.sock_recv(connection, 1)  # it waits for an answer now
                asked.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asked
                while await loop.sock_recv(connection, 1 << 16):  # to the end of the connection
                    pass
            assert open_here() == before

    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        asyncio.run(cancel(silent))


@pytest.mark.parametrize("kind", ["blocking", "asynchronous"])
def test_many_recordings_are_answered_in_their_order_and_a_bad_one_by_its_error(
    url: str, tmp_path: Path, kind: str
) -> None:
    rgb, depth = write_recording(tmp_path)
    bad = tmp_path / "bad.mkv"
    bad.write_bytes(b"no recording")
    recordings = [(rgb, depth), (rgb, bad), (rgb, tmp_path / "nowhere"), (None, None), (depth, rgb), (rgb, depth)]

    async def ask() -> list[Prediction | ClientError]:
        async with AsyncClient(url) as client:
            return [answer async for answer in client.predict_many(recordings, concurrency=2, top_k=1)]

    if kind == "blocking":
        with Client(url) as client:
            answers = list(client.predict_many(recordings, concurrency=2, top_k=1))
    else:
        answers = asyncio.run(ask())
    assert [type(answer).__name__ for answer in answers] == [
        *("Prediction", "RefusedError", "InputError", "InputError", "RefusedError", "Prediction")
    ]
    assert "bad.mkv" in str(answers[1]) and "nowhere" in str(answers[2])
    assert isinstance(answers[0], Prediction) and len(answers[0].predictions) == 1


def test_endless_recordings_are_taken_as_answers_are(tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    taken = 0

    def recordings() -> Iterator[tuple[Path, None]]:
        nonlocal taken
        while True:
            taken += 1
            yield rgb, None

    async def ask(url: str) -> None:
        async with AsyncClient(url) as client, aclosing(client.predict_many(recordings(), concurrency=2)) as answers:
            async for _ in answers:
                if taken > 6:
                    break

    with scripted(*[OK] * 40) as (url, server):
        with Client(url) as client:
            answers = client.predict_many(recordings(), concurrency=2)
            assert taken == 0
            for number in range(1, 7):
                assert isinstance(next(answers), Prediction)
                assert number <= taken <= number + 4
            answers.close()
        assert len(server.bodies) <= taken
        taken = 0
        asyncio.run(ask(url))
        assert 6 < taken <= 11
        assert server.most_at_once <= 2


def test_an_error_of_the_recordings_is_theirs(tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)

    def recordings() -> Iterator[tuple[Path, None]]:
        yield rgb, None
        raise LookupError("the disk is gone")

    async def ask(url: str) -> None:
        async with AsyncClient(url) as client:
            async for _ in client.predict_many(recordings()):
                pass

    with scripted(OK, OK) as (url, _):
        with Client(url) as client, pytest.raises(LookupError):
            list(client.predict_many(recordings()))
        with pytest.raises(LookupError):
            asyncio.run(ask(url))


def test_fewer_requests_at_once_than_one_are_a_mistake() -> None:
    with Client() as client, pytest.raises(InputError, match="concurrency 0: "):
        client.predict_many([], concurrency=0)
    with pytest.raises(InputError, match="concurrency -1: "):
        AsyncClient().predict_many([], concurrency=-1)
