"""Damaged uploads, a few hundred of those that `benchmarks/endurance/mutations.py` sends by the thousand."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import psutil
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from benchmarks.support.mutations import mutated
from benchmarks.support.samples import Files, samples
from benchmarks.support.tiny_bundle import RAW, make_bundle
from benchmarks.support.wire import Request, fault_of, valid_request
from tests.support.server import RunningServer, running_server
from tests.support.waiting import wait_until

_LIMIT_S = 30  # an answer that takes longer fails the test


@dataclass(frozen=True)
class Target:
    """A server with a temporary folder of its own, a client of it, and what is valid there."""

    server: RunningServer
    uploads: Path
    client: httpx.Client
    valid: dict[str, Files]

    def send(self, request: Request) -> httpx.Response:
        return self.client.post(request.path, content=request.body, headers=request.headers)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("mutations")
    valid = samples(folder)
    uploads = folder / "uploads"
    uploads.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(uploads))
        with (
            running_server(
                make_bundle(folder / "bundle", preparation=RAW), max_upload_mb=8, deadline_s=_LIMIT_S, num_decoders=2
            ) as server,
            httpx.Client(base_url=server.url, timeout=_LIMIT_S) as client,
        ):
            yield Target(server, uploads, client, valid)


def test_whole_uploads_in_every_container_are_answered(target: Target) -> None:
    for name, files in target.valid.items():
        answer = target.client.post("/predict", files={stream: (name, data) for stream, data in files.items()})
        assert answer.status_code == 200, f"{name}: {answer.text}"


def test_damaged_uploads_are_refused_and_leave_nothing(target: Target) -> None:
    process = psutil.Process(target.server.process.pid)

    @settings(max_examples=200, derandomize=True, deadline=None)
    @given(st.randoms(use_true_random=False))
    def send(chance: Random) -> None:
        request = mutated(chance, target.valid)
        note(f"{request.mutation}: {request.content_type!r} {request.body[:200]!r}")
        assert fault_of(target.send(request)) is None

    for files in target.valid.values():
        assert target.send(valid_request(files)).status_code == 200
    before, num_files = set(target.uploads.iterdir()), process.num_fds()
    send()
    for files in target.valid.values():
        assert target.send(valid_request(files)).status_code == 200
    assert target.server.process.poll() is None
    assert "Traceback" not in target.server.log.read_text()  # a decoder that raises is answered for as one that crashes
    wait_until(lambda: set(target.uploads.iterdir()) == before and process.num_fds() <= num_files)
