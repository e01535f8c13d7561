"""What works behind the requests: a failure is logged and repaired, or ends the service, and readiness tells."""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from export.bundle.folder import read_bundle
from export.predictor.clip_request import ClipRequest, RecordingMeta
from rgbd.errors import MediaError
from rgbd.recording.limits import Limits
from rgbd.types import Stream
from serve.app import create_app
from serve.concurrency import supervisor
from serve.concurrency.supervisor import Supervisor
from serve.concurrency.threads import in_thread
from serve.errors import ServiceError
from serve.http.client_connection import while_connected
from serve.inference.batch_observer import BatchObserver
from serve.inference.batching import Batcher
from serve.inference.loading import load_models
from serve.inference.served_model import ServedModel
from serve.observability.logs import set_up_logging
from serve.schemas import PreviewReply
from serve.settings import Settings
from serve.uploads.decoder_processes import Decoders
from serve.uploads.ipc import receive_reply
from serve.uploads.previews import make_previews
from tests.support.fake_runtime import CLIP, Sleeper, end_threads, outcomes
from tests.support.requests import decoder_of, metrics_of, post, refused
from tests.support.saboteur import FAILURES
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES
from tests.support.waiting import wait_until


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures follow each other within a moment."""
    monkeypatch.setattr(supervisor, "_PAUSES_S", (0.01, 0.01))


@pytest.fixture
def own_logging() -> Iterator[None]:
    """What the test changes of the log, and of what becomes of failed threads, is changed back."""
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)


def errors_in(server: RunningServer) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{"))
    return [line for line in lines if line["level"] in ("ERROR", "CRITICAL")]


def wait_for_503(url: str) -> httpx.Response:
    """Ask until the service says that it is not ready, which it does between two attempts to start a worker."""

    def is_down() -> bool:
        nonlocal answer
        answer = httpx.get(url)
        return answer.status_code == 503

    answer = httpx.get(url)
    wait_until(is_down)
    return answer


def test_a_network_whose_thread_fails_is_started_again(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), broken="network1", log_format="json", deadline_s=20) as server:
        refused(post(server, **FILES), 500, "internal")
        assert post(server, **FILES).status_code == 200
        assert httpx.get(server.url + "/v2/health/ready").status_code == 200
        assert metrics_of(server)["rgbd_motion_worker_failures_total", "network"] == 1
        (failure,) = [line for line in errors_in(server) if line["message"] == "network has failed"]
        assert "can't start new thread" in failure["exc_info"]


def test_a_network_that_cannot_be_kept_running_ends_the_service(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    with running_server(bundle, broken="network9", exit_code=1, log_format="json", deadline_s=20) as server:
        for _ in range(4):
            refused(post(server, **FILES), 500, "internal")
        assert post(server, **FILES).status_code in (500, 504)  # for its batch, or for the end, whichever comes first
        assert server.process.wait(30) == 1
        # The last request's own failure may be logged behind it.
        assert "network cannot be kept running: the service ends" in [line["message"] for line in errors_in(server)]


def test_decoders_that_cannot_be_started_end_the_service(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    with (
        running_server(bundle, broken="later-decoders", exit_code=1, log_format="json", num_decoders=1) as server,
        ThreadPoolExecutor() as threads,
    ):
        assert post(server, **FILES).status_code == 200
        os.kill(decoder_of(server), signal.SIGKILL)
        waiting = threads.submit(post, server, **FILES)  # for a decoder, and is told when there will be none
        for path in ("/v2/health/ready", "/v2/models/tiny/ready"):
            down = wait_for_503(server.url + path)
            assert "(decoder 0); it is being started again" in refused(down, 503, "worker_failed")
        assert httpx.get(server.url + "/v2/health/live").status_code == 200
        assert metrics_of(server)["rgbd_motion_worker_failures_total", "decoder 0"] >= 1
        assert "had to stop" in refused(waiting.result(), 504, "deadline")
        assert server.process.wait(30) == 1
        last = errors_in(server)
        assert last[-1]["message"] == "decoder 0 cannot be kept running: the service ends"
        assert "was not ready" in last[-2]["exc_info"]


@pytest.mark.usefixtures("quick")
def test_a_service_that_gave_up_is_not_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: Batcher) -> None:
        raise MemoryError("no memory for a thread")

    monkeypatch.setattr(Batcher, "run", fail)
    settings = Settings(bundle=make_bundle(tmp_path), num_decoders=1)
    app = create_app(load_models(settings), settings)
    service = app.state.service

    async def scene() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client, service.running():
            while not service.supervisor.has_given_up:
                await asyncio.sleep(0.01)
            for path in ("/v2/health/live", "/v2/health/ready"):
                detail = refused(await client.get(path), 503, "worker_failed")
                assert "(network); the service ends, and must be started again" in detail
            refused(await client.post("/predict", files=FILES), 503, "draining")

    asyncio.run(scene())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("end", [*FAILURES, None], ids=lambda end: type(end).__name__)
def test_whatever_ends_a_worker_is_a_failure(end: BaseException | None, caplog: pytest.LogCaptureFixture) -> None:
    failures = list[str]()
    given_up = asyncio.Event()
    watch = Supervisor(failures.append, given_up.set)

    async def work() -> None:
        if end is not None:
            raise end

    async def steady() -> None:
        await asyncio.sleep(3600)

    async def scene() -> None:
        async with watch.running({"worker": work, "other": steady}):
            await given_up.wait()
            with pytest.raises(ServiceError, match=r"\(worker\)"):
                watch.check_alive()

    asyncio.run(scene())
    assert failures == ["worker"] * 3  # with the two pauses between them
    assert caplog.text.count("worker has failed") == 3 and "Traceback" in caplog.text


def test_a_supervisor_that_fails_itself_gives_up(caplog: pytest.LogCaptureFixture) -> None:
    given_up = asyncio.Event()

    def count(_: str) -> None:
        raise ZeroDivisionError("it counts wrongly")

    async def work() -> None:
        raise ValueError

    async def scene() -> None:
        watch = Supervisor(count, given_up.set)
        async with watch.running({"worker": work}):
            await given_up.wait()
        assert watch.has_given_up

    asyncio.run(scene())
    assert "it counts wrongly" in caplog.text and "worker cannot be kept running" in caplog.text


def test_what_fails_as_the_service_stops_is_no_reason_to_give_up() -> None:
    watch = Supervisor(lambda _: None, lambda: None)

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError

    async def scene() -> None:
        async with watch.running({"worker": work}):
            await asyncio.sleep(0)
        assert not watch.has_given_up

    asyncio.run(scene())


@pytest.mark.usefixtures("quick")
def test_a_worker_that_recovered_may_fail_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_RECOVERED_S", -1.0)  # whatever it does, it worked for longer
    failures = list[str]()
    watch = Supervisor(failures.append, lambda: None)

    async def scene() -> None:
        ten = asyncio.Event()

        async def work() -> None:
            if len(failures) == 10:
                ten.set()
                await asyncio.sleep(3600)
            raise ValueError

        async with watch.running({"worker": work}):
            await ten.wait()
            watch.check_working()

    asyncio.run(scene())
    assert len(failures) == 10 and not watch.has_given_up


@pytest.mark.usefixtures("quick")
def test_the_next_clip_is_computed_after_the_networks_thread_was_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that waited meanwhile, of another model."""
    failures = [RuntimeError("can't start new thread")]

    def start(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return in_thread(*args)

    monkeypatch.setattr("serve.inference.batching.in_thread", start)
    bundle = read_bundle(make_bundle(tmp_path, "rgb"))
    batcher = Batcher(4, 0.0, BatchObserver(lambda *_: None))
    one, other = (ServedModel(bundle, Sleeper(0), name, "1") for name in ("one", "other"))

    async def scene() -> None:
        watch = Supervisor(lambda _: None, lambda: None)
        async with asyncio.timeout(20), watch.running({"network": batcher.run}):
            assert await outcomes(*(batcher.infer(model, CLIP) for model in (one, other))) == [
                "InferenceError",
                "Inferred",
            ]

    asyncio.run(scene())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # of a thread on its way out
def test_decoders_work_on_after_their_threads_were_ended() -> None:
    decoders, watch = Decoders(1, 4096, 120), Supervisor(lambda _: None, lambda: None)
    nothing = ClipRequest((), RecordingMeta(), Limits(9, 9, 9.0), SPEC, ("rgb",))

    async def scene() -> None:
        decoders.start()
        async with watch.running({"decoder": decoders.keep_ready}), asyncio.timeout(60):
            for _ in range(3):
                assert await outcomes(decoders.run(make_previews, PreviewReply, nothing)) == ["MissingStreamError"]
                end_threads("decoder")
                await asyncio.sleep(0.05)

    try:
        asyncio.run(scene())
    finally:
        decoders.close()


def test_ctrl_c_does_not_reach_decoders() -> None:
    failures, others = list[str](), active_children()
    decoders, watch = Decoders(1, 4096, 120), Supervisor(failures.append, lambda: None)
    nothing = ClipRequest((), RecordingMeta(), Limits(9, 9, 9.0), SPEC, ("rgb",))

    async def scene() -> None:
        decoders.start()
        (decoder,) = {*active_children()} - {*others}
        assert decoder.pid is not None
        os.kill(decoder.pid, signal.SIGINT)  # as it starts
        async with watch.running({"decoder": decoders.keep_ready}), asyncio.timeout(60):
            assert await outcomes(decoders.run(make_previews, PreviewReply, nothing)) == ["MissingStreamError"]
            os.kill(decoder.pid, signal.SIGINT)  # as it waits for work
            assert await outcomes(decoders.run(make_previews, PreviewReply, nothing)) == ["MissingStreamError"]
            assert decoder.is_alive()

    try:
        asyncio.run(scene())
    finally:
        decoders.close()
    assert failures == []


@pytest.mark.parametrize("end", ["SystemExit", "KeyboardInterrupt"])
def test_a_service_that_gives_up_ends_with_1_whatever_its_worker_raised(tmp_path: Path, end: str) -> None:
    bundle = make_bundle(tmp_path)
    with running_server(bundle, broken=end, exit_code=1, log_format="json", num_decoders=1) as server:
        assert server.process.wait(30) == 1
        last = errors_in(server)
        assert last[-1]["message"] == "decoder 0 cannot be kept running: the service ends"
        assert end in last[-2]["exc_info"]


def test_a_service_that_cannot_begin_ends_with_1(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), broken="lifespan", exit_code=1) as server:
        assert server.process.wait(30) == 1
        assert "Resource temporarily unavailable" in server.log.read_text()


def test_no_decoder_is_lost_where_no_thread_takes_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    decoders, watch = Decoders(1, 4096, 120), Supervisor(lambda _: None, lambda: None)
    nothing = ClipRequest((), RecordingMeta(), Limits(9, 9, 9.0), SPEC, ("rgb",))

    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def scene() -> None:
        decoders.start()
        async with watch.running({"decoder": decoders.keep_ready}), asyncio.timeout(60):
            assert await outcomes(decoders.run(make_previews, PreviewReply, nothing)) == ["MissingStreamError"]
            with monkeypatch.context() as patch:
                patch.setattr("serve.uploads.decoder_processes.in_thread", refuse)
                assert await outcomes(decoders.run(make_previews, PreviewReply, nothing)) == ["RuntimeError"]
            assert await outcomes(decoders.run(make_previews, PreviewReply, nothing)) == ["MissingStreamError"]
        decoders.close()

    asyncio.run(scene())


def test_nobody_gets_what_another_request_left_in_a_decoders_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    decoders, watch = Decoders(1, 4096, 120), Supervisor(lambda _: None, lambda: None)
    failures = [MemoryError("no memory for a clip")]

    def receive(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return receive_reply(*arguments)

    async def answer(stream: Stream) -> str:
        nothing = ClipRequest((), RecordingMeta(), Limits(9, 9, 9.0), SPEC, (stream,))
        try:
            await decoders.run(make_previews, PreviewReply, nothing)
        except (MemoryError, MediaError) as error:
            return str(error)
        raise AssertionError

    async def scene() -> None:
        decoders.start()
        async with watch.running({"decoder": decoders.keep_ready}), asyncio.timeout(60):
            assert await answer("rgb") == "no memory for a clip"
            assert "give one of them at least" in await answer("depth")
        decoders.close()

    monkeypatch.setattr("serve.uploads.decoder_processes.receive_reply", receive)
    asyncio.run(scene())


def test_the_watch_for_a_closed_connection_fails_aloud(caplog: pytest.LogCaptureFixture) -> None:
    async def receive() -> Any:
        raise ValueError("a broken connection")

    async def scene() -> None:
        async with while_connected(Request({"type": "http", "headers": []}, receive)):
            await asyncio.sleep(0.01)

    asyncio.run(scene())
    assert "the watch for a closed connection has failed" in caplog.text and "a broken connection" in caplog.text


@pytest.mark.usefixtures("own_logging")
def test_a_librarys_thread_that_fails_is_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("json")
    thread = threading.Thread(target=lambda: 1 / 0, name="exporter")
    thread.start()
    thread.join()
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["message"]) == ("ERROR", "thread exporter has failed")
    assert "ZeroDivisionError" in line["exc_info"]
