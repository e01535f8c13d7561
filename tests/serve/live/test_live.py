"""`/live`: frames go in, answers and events come out; a real server, real sockets."""

import json
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from socket import SO_RCVBUF, SOL_SOCKET
from threading import Event, Thread
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.support.server import RunningServer
from rgbd.types import Frame
from serve.keys import add_key
from serve.live.messages import SUBPROTOCOL, Encoding
from tests.support.live import SIZE, Talk, packed, talking
from tests.support.long_recordings import FPS, GREEN, GREY, RED, coloured, lasting_a_second
from tests.support.requests import connect, metrics_of
from tests.support.server import running_server
from tests.support.uploads import depth_frames
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(lasting_a_second(tmp_path_factory.mktemp("model"), "rgb"), max_live=2) as running:
        yield running


def send(talk: Talk, frames: list[Frame], start_s: float = 100.0, encoding: Encoding = "raw") -> None:
    """Send frames at twice the speed of their time stamps."""
    for number, frame in enumerate(frames):
        talk.frame("rgb", start_s + number / FPS, frame, encoding)
        time.sleep(0.5 / FPS)


def of_type(said: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message for message in said if message["type"] == kind]


def test_a_stream_is_followed_from_hello_to_its_end(server: RunningServer) -> None:
    with talking(server) as talk:
        ready = talk.hello("rgb", top_k=2)
        assert (ready["type"], ready["window_s"], ready["interval_s"], ready["step_s"]) == ("ready", 1.0, 0.25, 0.25)
        assert ready["labels"] == ["red", "green", "blue"] and ready["model"]["runtime"] == "onnxruntime"
        send(talk, coloured((GREY, 1), (RED, 2), (GREY, 1)))
        said = talk.end()
        assert talk.closed_with == (1000, "")
    assert said[0]["type"] == "view" and said[0]["was_prepared"] and said[0]["time_s"] == 100.0
    answers, events = of_type(said, "answer"), of_type(said, "event")
    assert [(event["label"], event["is_over"]) for event in events] == [("red", False), ("red", True)]
    assert events[1]["start_s"] == pytest.approx(101, abs=0.5) and events[1]["end_s"] == pytest.approx(103, abs=0.75)
    assert answers[0]["start_s"] == 100.0 and answers[0]["end_s"] == 101.0
    assert all(len(answer["predictions"]) == 2 for answer in answers)
    assert said[-1].items() >= {"type": "ended", "frames": 80, "answers": len(answers)}.items()


@pytest.mark.parametrize("encoding", ["jpeg", "png", "zstd"])
def test_frames_may_be_packed(server: RunningServer, encoding: Encoding) -> None:
    with talking(server) as talk:
        talk.hello("rgb", top_k=1)
        send(talk, coloured((GREEN, 1)), encoding=encoding)
        said = talk.end()
    assert {answer["predictions"][0]["label"] for answer in of_type(said, "answer")} == {"green"}


@pytest.mark.parametrize("encoding", ["raw", "png", "zstd"])
def test_both_streams_are_followed_together(tmp_path: Path, encoding: Encoding) -> None:
    colour, depth = coloured((RED, 1.5)), depth_frames(30)
    with running_server(lasting_a_second(tmp_path / "model", "rgbd")) as server, talking(server) as talk:
        talk.hello("rgb", "depth", size=SIZE)
        for number in range(30):
            talk.frame("rgb", number / FPS, colour[number], "jpeg")
            talk.frame("depth", number / FPS + 0.01, depth[number], encoding)
            time.sleep(0.5 / FPS)
        said = talk.end()
    assert of_type(said, "answer") and said[-1]["dropped"] == {"late": 0, "unpaired": 0}


def test_a_client_that_sends_too_fast_gets_drops_and_no_lag(server: RunningServer) -> None:
    with talking(server) as talk:
        talk.hello("rgb")
        for number, frame in enumerate(coloured((RED, 60))):  # a minute at once
            talk.frame("rgb", number / FPS, frame)
        said = talk.end()
    assert said[-1]["frames"] == 1200 and said[-1]["dropped"]["late"] > 600
    assert max(answer["lag_ms"] for answer in of_type(said, "answer") or [{"lag_ms": 0}]) < 2000
    counted = metrics_of(server)
    assert counted["rgbd_motion_live_frames_total", "late"] >= said[-1]["dropped"]["late"]


def test_frames_are_counted_while_they_come(server: RunningServer) -> None:
    def counted() -> float:
        numbers = metrics_of(server)
        return sum(numbers["rgbd_motion_live_frames_total", fate] for fate in ("seen", "late", "unpaired"))

    before = counted()
    with talking(server) as talk:
        talk.hello("rgb")
        send(talk, coloured((RED, 2)))
        wait_until(lambda: counted() > before + 20)
        talk.end()
    assert counted() == before + 40


def test_there_are_as_many_as_the_settings_allow(server: RunningServer) -> None:
    with talking(server) as first, talking(server) as second, talking(server) as third:
        assert first.hello("rgb")["type"] == second.hello("rgb")["type"] == "ready"
        refused = third.hello("rgb")
        assert (refused["type"], refused["problem"]["error"]) == ("problem", "too_many_streams")
        third.rest()
        assert third.closed_with[0] == 1013
        assert metrics_of(server)["rgbd_motion_live_streams",] == 2
    wait_until(lambda: metrics_of(server)["rgbd_motion_live_streams",] == 0)


def test_one_stream_never_harms_another(server: RunningServer) -> None:
    with talking(server) as good, talking(server) as bad:
        good.hello("rgb", top_k=1)
        bad.hello("rgb")
        bad.socket.send(packed("rgb", 0.0, coloured((RED, 1))[0])[:-1])
        send(good, coloured((RED, 1.5)))
        said = good.end()
        assert bad.rest()[-1]["problem"]["error"] == "unusable_clip"
    assert said[-1]["type"] == "ended" and of_type(said, "answer")


HELLO: dict[str, Any] = {"type": "hello", "streams": {"rgb": {"size": SIZE}}}
FRAME = packed("rgb", 0.0, np.zeros((*SIZE[::-1], 3), np.uint8))


@pytest.mark.parametrize(
    ("messages", "code", "word", "reason"),
    [
        ([FRAME], 1008, "malformed_request", "a frame came before hello"),
        (["{"], 1008, "malformed_request", "JSON"),
        (['{"type": "dance"}'], 1008, "malformed_request", "dance"),
        ([json.dumps(HELLO | {"topk": 3})], 1008, "malformed_request", "topk"),
        ([json.dumps({"type": "end"})], 1008, "malformed_request", "end came before hello"),
        ([json.dumps(HELLO | {"streams": {}})], 1008, "malformed_request", "streams"),
        ([json.dumps(HELLO | {"streams": {"depth": {"size": SIZE}}})], 1008, "malformed_request", "needs rgb"),
        ([json.dumps(HELLO | {"streams": {"rgb": {"size": [9999, 9999]}}})], 1009, "too_large", "9999x9999"),
        ([json.dumps(HELLO | {"model": "other"})], 1008, "unknown_model", "'other'"),
        ([json.dumps(HELLO | {"window_s": 1e-6})], 1008, "malformed_request", "window_s"),
        ([json.dumps(HELLO | {"begin": 0.2, "keep": 0.9})], 1008, "malformed_request", "begin no lower than keep"),
        ([json.dumps(HELLO), json.dumps(HELLO)], 1008, "malformed_request", "hello came twice"),
        ([json.dumps(HELLO), b"short"], 1008, "malformed_request", "header of 12 bytes"),
        ([json.dumps(HELLO), b"\x07" + FRAME[1:]], 1008, "malformed_request", "stream 0 or 1"),
        ([json.dumps(HELLO), b"\x00\x09" + FRAME[2:]], 1008, "malformed_request", "encoding 0 to 3"),
        ([json.dumps(HELLO), b"\x01" + FRAME[1:]], 1008, "malformed_request", "which hello does not announce"),
        ([json.dumps(HELLO), b"\x00\x01" + FRAME[2:]], 1008, "unusable_clip", "not a readable JPEG"),
        ([json.dumps(HELLO), b"\x00\x03" + FRAME[2:]], 1008, "unusable_clip", "cannot be unpacked"),
        (
            [json.dumps(HELLO), packed("rgb", 0.0, np.zeros((8, 8, 3), np.uint8), "png")],
            *(1008, "unusable_clip", "8x8 came where 64x48 was announced"),
        ),
        (
            [json.dumps(HELLO), packed("rgb", 0.0, np.zeros(SIZE[::-1], np.uint16), "png")],
            *(1008, "unusable_clip", "holds 16-bit depth"),
        ),
        (
            [json.dumps(HELLO), packed("rgb", 0.0, np.zeros((999, 999, 3), np.uint8), "zstd")],
            *(1009, "too_large", "unpack to more than"),
        ),
        (
            [json.dumps(HELLO), packed("rgb", 5.0, coloured((RED, 1))[0]), FRAME],
            *(1008, "unusable_clip", "came after one of 5"),
        ),
    ],
)
def test_what_is_wrong_ends_with_a_reason(
    server: RunningServer, messages: list[str | bytes], code: int, word: str, reason: str
) -> None:
    with talking(server) as talk:
        for message in messages:
            talk.socket.send(message)
        problem = talk.rest()[-1]["problem"]
    assert problem["error"] == word and reason in problem["detail"], problem
    assert talk.closed_with[0] == code and str(talk.closed_with[1]).startswith(word)


@pytest.mark.parametrize("protocols", [(), ("rgbd-motion.live.v0",)])
def test_another_subprotocol_is_refused(server: RunningServer, protocols: tuple[str, ...]) -> None:
    with pytest.raises(InvalidStatus) as caught, talking(server, protocols=protocols):
        pass
    assert json.loads(caught.value.response.body)["error"] == "malformed_request"


def test_a_browser_brings_its_key_as_a_subprotocol(tmp_path: Path) -> None:
    key = add_key(tmp_path / "keys.json", "page", None, admin=False)
    bundle = lasting_a_second(tmp_path / "model", "rgb")
    with running_server(bundle, api_keys=tmp_path / "keys.json") as server:
        with talking(server, protocols=(SUBPROTOCOL, f"bearer.{key}")) as talk:
            assert talk.socket.subprotocol == SUBPROTOCOL and talk.hello("rgb")["type"] == "ready"
        with pytest.raises(InvalidStatus, match="401"), talking(server, protocols=(SUBPROTOCOL, "bearer.guessed")):
            pass
        assert key not in server.log.read_text()


def test_who_sends_nothing_or_only_bytes_is_closed(tmp_path: Path) -> None:
    with running_server(lasting_a_second(tmp_path / "model", "rgb"), live_idle_s=1) as server:
        with talking(server) as talk:
            talk.hello("rgb")
            assert talk.rest()[-1]["problem"]["error"] == "idle"
        with talking(server) as talk:
            talk.hello("rgb")
            heard = Event()

            def parts() -> Iterator[bytes]:
                yield from (FRAME[:20], FRAME[20:21])
                heard.wait(60)

            def send_parts() -> None:
                with suppress(ConnectionClosed):
                    talk.socket.send(parts())

            sender = Thread(target=send_parts)
            sender.start()
            assert talk.rest()[-1]["problem"]["error"] == "idle"
            heard.set()
            sender.join()


def test_a_service_that_stops_says_so_and_lets_the_stream_end(tmp_path: Path) -> None:
    with running_server(lasting_a_second(tmp_path / "model", "rgb"), drain_s=20) as server:
        with talking(server) as talk:
            talk.hello("rgb")
            send(talk, coloured((RED, 1)))
            server.process.send_signal(signal.SIGTERM)
            send(talk, coloured((RED, 1)), start_s=101.0)
            said = talk.end()
        assert of_type(said, "draining")[0]["within_s"] == 20.0 and said[-1]["type"] == "ended"
        assert server.process.wait(30) == 0


def test_random_messages_end_sessions_and_nothing_else(server: RunningServer) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        with talking(server) as talk:
            talk.hello("rgb")
            with suppress(ConnectionClosed):
                for _ in range(25):
                    message = bytearray(FRAME[: int(rng.integers(0, 400))])
                    message[:12] = rng.integers(0, 255, min(12, len(message)), dtype=np.uint8).tobytes()
                    talk.socket.send(bytes(message))
            assert talk.rest()[-1]["type"] in ("problem", "ended")
    with talking(server) as talk:
        talk.hello("rgb")
        send(talk, coloured((RED, 1.5)))
        assert of_type(talk.end(), "answer")


@pytest.mark.slow
def test_who_does_not_read_is_closed(server: RunningServer) -> None:
    socket = connect(server)
    socket.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
    frame = coloured((RED, 1))[0]
    with talking(server, sock=socket, close_timeout=1) as talk:
        talk.hello("rgb", window_s=0.004, every=1)  # an answer to each frame

        times_s = count()

        def is_closed() -> bool:
            with suppress(ConnectionClosed, OSError):
                for time_s in islice(times_s, 100):
                    talk.frame("rgb", time_s / 1000, frame)
            return metrics_of(server)["rgbd_motion_live_streams",] == 0

        wait_until(is_closed)


def test_the_contract_is_published(server: RunningServer) -> None:
    document = httpx.get(f"{server.url}/asyncapi.json").json()
    assert document["asyncapi"] == "3.0.0" and document["channels"]["live"]["address"] == "/live"
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    assert {"Hello", "Frame", "End", "Ready", "AnswerMessage", "ProblemMessage"} <= set(messages)
    named = re.findall(r"#/components/schemas/(\w+)", json.dumps(document))
    assert set(named) <= set(schemas) and "window_s" in schemas["Hello"]["properties"]
