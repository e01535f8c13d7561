"""Decoder processes: what one may use, when it is replaced, and that a lost one costs its own request alone."""

import asyncio
import gc
import os
import signal
import threading
import time
import weakref
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel

from rgbd.errors import MediaError
from rgbd.recording.stills.images import decode_image, encode_image
from serve.errors import DecoderKilledError, ServiceError
from serve.uploads import decoder_processes
from serve.uploads.ipc import DecoderReply, receive_reply
from tests.support.decoders import Number, one_decoder
from tests.support.uploads import rgb_frames


def test_a_decoder_may_compute_so_long() -> None:
    async def ask() -> int:
        with one_decoder(cpu_s=1) as decoders:
            with pytest.raises(ServiceError, match="the decoder crashed"):
                await decoders.run(spin, Number, None)
            return (await decoders.run(process_id, Number, None)).facts.number

    assert asyncio.run(ask()) != os.getpid()


def spin(_: None) -> DecoderReply[Number]:
    while True:
        pass


def test_a_call_whose_process_is_killed_twice_is_refused_without_blame() -> None:
    async def ask() -> int:
        with one_decoder() as decoders:
            with pytest.raises(DecoderKilledError, match="send them again later"):
                await decoders.run(be_killed, Number, None)
            return (await decoders.run(process_id, Number, None)).facts.number

    assert asyncio.run(ask()) != os.getpid()


def be_killed(_: None) -> DecoderReply[Number]:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


class Evil(BaseModel):
    number: str


def lie(_: None) -> DecoderReply[Evil]:
    return DecoderReply(Evil(number="import os"), [np.zeros(7, np.uint8)])


def test_a_decoder_that_answers_nonsense_has_crashed() -> None:
    async def ask() -> DecoderReply[Number]:
        with one_decoder() as decoders:
            with pytest.raises(ServiceError, match="the decoder crashed"):
                await decoders.run(lie, Number, None)  # type: ignore[arg-type]
            return await decoders.run(process_id, Number, None)

    answer = asyncio.run(ask())
    assert answer.facts.number != os.getpid()
    assert answer.arrays[0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_decoders_are_replaced_after_so_many_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_processes, "_CALLS", 2)

    async def ask() -> list[int]:
        with one_decoder() as decoders:
            answers = [await decoders.run(process_id, Number, None) for _ in range(5)]
        return [answer.facts.number for answer in answers]

    first, second, third, fourth, fifth = asyncio.run(ask())
    assert first == second != third == fourth != fifth


def process_id(_: None) -> DecoderReply[Number]:
    return DecoderReply(Number(number=os.getpid()), [np.arange(6, dtype=np.uint8).reshape(2, 3)])


def test_a_request_that_is_cancelled_before_its_answer_is_read_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    received, go_on = threading.Event(), threading.Event()

    def receive(pipe: Connection, kind: type[Number]) -> DecoderReply[Number]:
        reply = receive_reply(pipe, kind)
        received.set()
        assert go_on.wait(30)
        return reply

    monkeypatch.setattr(decoder_processes, "receive_reply", receive)

    async def ask() -> list[DecoderReply[Number] | BaseException]:
        with one_decoder() as decoders:
            gone = asyncio.create_task(decoders.run(fill_memory, Number, None))
            waiting = asyncio.create_task(decoders.run(process_id, Number, None))
            await asyncio.to_thread(received.wait)
            gone.cancel()
            await asyncio.sleep(0)  # now the process is being killed
            go_on.set()
            return await asyncio.gather(gone, waiting, return_exceptions=True)

    gone, answer = asyncio.run(ask())
    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(answer, DecoderReply)


_FILLED: list[NDArray[np.uint8]] = []


def fill_memory(_: None) -> DecoderReply[Number]:
    _FILLED.append(np.ones(300 << 20, np.uint8))  # it takes the system a moment to end such a process
    return process_id(None)


def test_a_request_that_is_cancelled_with_its_answer_leaves_the_decoder_to_the_next() -> None:
    async def ask() -> list[int]:
        with one_decoder() as decoders:
            first = await decoders.run(process_id, Number, None)
            gone = asyncio.create_task(decoders.run(process_id, Number, None))
            waiting = asyncio.create_task(decoders.run(process_id, Number, None))
            await asyncio.sleep(0)
            time.sleep(1.5)  # the answer has come, and nobody has seen it yet
            gone.cancel()
            return [first.facts.number, (await waiting).facts.number]

    first, second = asyncio.run(ask())
    assert first == second


def test_a_client_that_leaves_is_no_error_of_the_service() -> None:
    complaints = []

    async def leave() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
        with one_decoder() as decoders:
            for _ in range(2):  # the second leaves as the service is closed
                await decoders.run(process_id, Number, None)
                gone = asyncio.create_task(decoders.run(spin, Number, None))
                await asyncio.sleep(0.2)
                gone.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await gone
        del gone
        await asyncio.sleep(0.2)
        gc.collect()

    asyncio.run(leave())
    assert complaints == []


_MADE: list[weakref.ref[NDArray[np.uint8]]] = []


def make(_: None) -> DecoderReply[Number]:
    clip = np.zeros(7, np.uint8)
    _MADE.append(weakref.ref(clip))
    return DecoderReply(Number(number=0), [clip])


def count_kept(_: None) -> DecoderReply[Number]:
    return DecoderReply(Number(number=sum(clip() is not None for clip in _MADE)))


def test_a_decoder_keeps_nothing_of_what_it_has_answered() -> None:
    async def ask() -> int:
        with one_decoder() as decoders:
            await decoders.run(make, Number, None)
            return (await decoders.run(count_kept, Number, None)).facts.number

    assert asyncio.run(ask()) == 0


def read_broken_images(_: None) -> DecoderReply[Number]:
    for suffix in (".jpg", ".png"):
        content = bytearray(encode_image(suffix, rgb_frames(1)[0]))
        content[len(content) // 2] ^= 0x55
        with suppress(MediaError):
            decode_image(bytes(content), suffix)
    raise KeyError("a defect of the service")


def test_decoders_write_what_is_wrong_with_them_and_not_with_files(capfd: pytest.CaptureFixture[str]) -> None:
    async def ask() -> None:
        with one_decoder() as decoders:
            await decoders.run(read_broken_images, Number, None)

    with pytest.raises(ServiceError, match="the decoder crashed"):
        asyncio.run(ask())
    written = capfd.readouterr().err
    assert "a defect of the service" in written
    assert "libpng" not in written and "JPEG" not in written
