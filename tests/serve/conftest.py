"""One server for the tests that only ask: in a new interpreter, as users start it."""

from collections.abc import Iterator

import pytest

from benchmarks.support.server import RunningServer, running_server
from benchmarks.support.tiny_bundle import make_bundle


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(
        make_bundle(tmp_path_factory.mktemp("bundle")), max_upload_mb=8, max_frames=60, num_decoders=2
    ) as running:
        yield running
