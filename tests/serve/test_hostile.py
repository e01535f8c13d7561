"""Bombs, slow senders, silent and vanishing clients, a full disk: each costs its own request, and leaves nothing."""

import asyncio
import errno
import gc
import io
import os
import resource
import threading
import time
import weakref
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel

from benchmarks.support.tiny_bundle import make_bundle
from rgbd.errors import MediaError
from rgbd.recording.images import decode_image, encode_image
from serve.errors import ServiceError
from serve.uploads import decoder_processes
from serve.uploads.decoder_processes import Decoders
from serve.uploads.ipc import DecoderReply, receive_reply
from tests.support.requests import connect, post, refused, upload
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES, npz, rgb_frames
from tests.support.waiting import wait_until


def packed(name: str, content: bytes, packing: int, copies: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for index in range(copies):
            archive.writestr(f"{index}{name}", content)
    return buffer.getvalue()


def array(*shape: int) -> bytes:
    """Return the header of an .npy file, and zeros."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(int(np.prod(shape)))


def test_archives_that_unpack_to_too_much(server: RunningServer) -> None:
    bomb = packed("rgb.npy", array(50, 2000, 1000, 3), zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20
    assert "unpacks to 286 MiB" in refused(post(server, rgb=bomb, depth=FILES["depth"]), 413, "too_large")
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        other = packed("rgb.npy", array(5, 9, 9, 3), packing)
        detail = refused(post(server, rgb=other, depth=FILES["depth"]), 422, "unusable_clip")
        assert "pack it with deflate" in detail
    many = packed(".png", b"", zipfile.ZIP_STORED, copies=50_000)
    assert "more than 60 frames" in refused(post(server, rgb=many, depth=FILES["depth"]), 413, "too_large")
    nested = packed(".zip", bomb, zipfile.ZIP_STORED)
    assert "'0.zip'" in refused(post(server, rgb=nested, depth=FILES["depth"]), 422, "unusable_clip")
    escaping = packed("/../../../etc/passwd.png", b"\x89PNG", zipfile.ZIP_STORED)
    refused(post(server, rgb=escaping, depth=FILES["depth"]), 422, "unusable_clip")


def test_frames_of_which_there_can_be_no_picture(server: RunningServer) -> None:
    tall = npz([np.zeros((66_000, 10, 3), np.uint8)] * 4)
    detail = refused(post(server, "/preview", rgb=tall), 422, "unusable_clip")
    assert "10x66000" in detail and "scale it down" in detail


def test_a_decoder_may_compute_so_long() -> None:
    async def ask() -> int:
        with one_decoder(cpu_s=1) as decoders:
            with pytest.raises(ServiceError, match="the decoder crashed"):
                await decoders.run(spin, Number, None)
            return (await decoders.run(process_id, Number, None)).facts.number

    assert asyncio.run(ask()) != os.getpid()


class Number(BaseModel):
    number: int


def spin(_: None) -> DecoderReply[Number]:
    while True:
        pass


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


@contextmanager
def one_decoder(cpu_s: int = 10) -> Iterator[Decoders]:
    """Keep one decoder ready, as the service's supervisor does, while the block of a coroutine runs."""
    decoders = Decoders(1, 2048, cpu_s)
    decoders.start()
    keeper = asyncio.create_task(decoders.keep_ready())
    yield decoders
    keeper.cancel()
    decoders.close()


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


def test_senders_who_dawdle_are_sent_away(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), upload_s=3, max_uploads=2) as server:
        slow = [upload(server, 1000) for _ in range(2)]
        silent = connect(server)
        time.sleep(0.3)
        assert "2 uploads are arriving" in refused(post(server, **FILES), 429, "too_many_uploads")
        for connection in slow:
            assert b"408 Request Timeout" in connection.recv(1 << 16)
            connection.close()
        assert silent.recv(1) == b""
        silent.close()
        assert post(server, **FILES).status_code == 200


def test_clients_that_vanish_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    os.environ["TMPDIR"] = str(folder)
    try:
        with running_server(make_bundle(tmp_path / "bundle"), num_decoders=1) as server:
            before = set(folder.iterdir())  # libraries leave something there when they are loaded
            for _ in range(5):
                upload(server, 500_000).close()
            for _ in range(5):  # in the middle of the answer
                connection = connect(server)
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                connection.close()
            assert post(server, **FILES).status_code == 200
            wait_until(lambda: set(folder.iterdir()) == before)
    finally:
        del os.environ["TMPDIR"]


def test_a_thousand_idle_connections_do_not_matter(server: RunningServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = [connect(server) for _ in range(1000)]
    try:
        assert post(server, **FILES).status_code == 200
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    large = npz(list(np.random.default_rng(0).integers(0, 256, (12, 300, 400, 3), np.uint8)))
    assert len(large) > 3 << 20
    with running_server(make_bundle(tmp_path, "rgb")) as server:
        # A limit to the size of files stands for the full disk: the same call of the system fails.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
        response = post(server, rgb=large)
        assert "no space" in refused(response, 507, "no_space")
        assert os.strerror(errno.EFBIG) not in response.text
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert post(server, rgb=large).status_code == 200


def test_nonsense_over_the_wire_is_answered_or_closed(server: RunningServer) -> None:
    for nonsense in (
        b"\x16\x03\x01\x02\x00",
        b"GET /" + b"a" * 100_000,
        b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with connect(server) as connection:
            connection.sendall(nonsense + b"\r\n\r\n")
            assert connection.recv(100)[:12] in (b"HTTP/1.1 400", b"")
    body = httpx.post(server.url + "/predict", content=b"--x", headers={"Content-Type": "multipart/form-data"})
    assert body.status_code == 400
