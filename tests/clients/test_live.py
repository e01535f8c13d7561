"""The client's live streams, against a real service: what goes out is what the service understands, and back."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from benchmarks.support.server import RunningServer
from benchmarks.support.tiny_bundle import make_bundle
from clients.errors import InputError, RefusedError, UnexpectedAnswerError, UnreachableError
from clients.live import messages
from clients.live.messages import Answer, Draining, Ended, Event, Said, View
from clients.live.session import AsyncLive, Live
from export.bundle.folder import read_bundle, write_manifest
from serve.keys import add_key
from serve.live import messages as contract
from tests.support.server import running_server

FPS, SIZE = 20, (64, 48)
RED = np.full((48, 64, 3), (200, 0, 0), np.uint8)
DEPTH = np.full((48, 64), 1500, np.uint16)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    bundle = read_bundle(make_bundle(tmp_path_factory.mktemp("model"), "rgbd", alone={"rgb": 0.9}))
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"clip_s": 1.0}))
    with running_server(bundle.folder) as running:
        yield running


def of(said: list[Said], kind: type[Said]) -> list[Said]:
    return [item for item in said if isinstance(item, kind)]


def check(said: list[Said]) -> None:
    answers = of(said, Answer)
    assert isinstance(said[0], View) and said[0].was_prepared and isinstance(said[-1], Ended)
    assert said[-1].answers == len(answers) >= 2 and said[-1].frames == 60
    assert isinstance(answers[-1], Answer) and answers[-1].predictions[0].label == "red" and answers[-1].lag_ms > 0
    assert [event.label for event in of(said, Event) if isinstance(event, Event)] == ["red", "red"]


def test_frames_are_sent_and_answers_are_read_in_turns(server: RunningServer) -> None:
    said: list[Said] = []
    with Live(server.url, sizes={"rgb": SIZE, "depth": SIZE}, top_k=2) as live:
        assert live.ready.window_s == 1.0 and live.ready.labels == ("red", "green", "blue")
        for number in range(30):
            live.send("rgb", number / FPS, RED)
            live.send("depth", number / FPS, DEPTH)
            time.sleep(0.5 / FPS)
            said += live.pending()
        live.end()
        said += live
    check(said)


def test_with_an_event_loop(server: RunningServer) -> None:
    async def follow() -> list[Said]:
        async with AsyncLive(server.url, sizes={"rgb": SIZE, "depth": SIZE}) as live:

            async def send() -> None:
                for number in range(30):
                    await live.send("rgb", number / FPS, RED)
                    await live.send("depth", number / FPS, DEPTH)
                    await asyncio.sleep(0.5 / FPS)
                await live.end()

            sending = asyncio.create_task(send())
            said = [item async for item in live]
            await sending
            return said

    check(asyncio.run(follow()))


def test_why_a_stream_was_closed_is_raised_where_it_is_found(server: RunningServer) -> None:
    with pytest.raises(RefusedError, match="window_s") as caught, Live(server.url, sizes={"rgb": SIZE}, window_s=1e-9):
        pass
    assert caught.value.code == "malformed_request" and caught.value.status == 400 and caught.value.request_id
    with Live(server.url, sizes={"rgb": (8, 8)}) as live:
        live.send("rgb", 0.0, RED)
        with pytest.raises(RefusedError, match="64x48 came where 8x8 was announced"):
            for number in range(100):
                live.send("rgb", number / FPS, RED)
                time.sleep(0.02)


def test_keys_are_sent_and_never_shown(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "camera", None, admin=False)
    with running_server(make_bundle(tmp_path / "model", "rgb"), api_keys=tmp_path / "keys.json") as server:
        with Live(server.url, sizes={"rgb": SIZE}, api_key=key, window_s=1.0) as live:
            assert live.ready.session
        with pytest.raises(RefusedError, match="send a key") as caught, Live(server.url, sizes={"rgb": SIZE}):
            pass
    assert caught.value.status == 401 and caught.value.code == "unknown_key"
    with pytest.raises(InputError) as wrong:
        Live(sizes={"rgb": SIZE}, api_key="sécret")
    assert "sécret" not in str(wrong.value)


@pytest.mark.parametrize(("url", "error"), [("ftp://x", InputError), ("http://127.0.0.1:9", UnreachableError)])
def test_addresses_at_which_nobody_answers(url: str, error: type[Exception]) -> None:
    with pytest.raises(error), Live(url, sizes={"rgb": SIZE}):
        pass


@pytest.mark.parametrize(
    ("stream", "time_s", "frame"),
    [
        ("rgb", 0.0, DEPTH),
        ("depth", 0.0, RED),
        ("rgb", 0.0, RED.astype(np.float32)),
        ("rgb", -1.0, RED),
        ("rgb", 0.0, RED[..., :2]),
        ("infrared", 0.0, DEPTH),
    ],
)
def test_what_is_no_frame_is_not_sent(stream: messages.Stream, time_s: float, frame: np.ndarray) -> None:
    with pytest.raises(InputError):
        messages.pack(stream, time_s, frame)


def test_the_contract_is_the_services() -> None:
    assert messages.SUBPROTOCOL == contract.SUBPROTOCOL
    for stream, frame in (("rgb", RED), ("depth", DEPTH)):
        unpacked = contract.unpack(messages.pack(stream, 12.5, frame))  # type: ignore[arg-type]
        assert (unpacked.stream, unpacked.time_us) == (stream, 12_500_000)
        assert unpacked.encoding == {"rgb": "jpeg", "depth": "zstd"}[stream]
    said = {kind.model_fields["type"].default for kind in get_args(contract.ServerMessage)}
    assert said == {"ready", "problem", *messages._READERS}


def test_what_the_service_may_say_some_day() -> None:
    assert messages.read('{"type": "weather", "rain": true}') is None
    assert messages.read('{"type": "draining", "within_s": 3, "why": "rain"}') == Draining(3)
    for nonsense in ("<html>", "[]", '{"type": "ended"}', '{"type": "answer", "predictions": 3}'):
        with pytest.raises(UnexpectedAnswerError):
            messages.read(nonsense)
