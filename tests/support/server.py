"""A real server process on a free port, perhaps with a part of it broken."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from benchmarks.support import server
from benchmarks.support.server import RunningServer
from tests.support.warm import WarmProcess

__all__ = ["RunningServer", "running_server"]


def running_server(
    bundle: Path | None = None, *, broken: str | None = None, module: Sequence[str] = ("serve",), **options: Any
) -> AbstractContextManager[RunningServer]:
    """Serve as `benchmarks.support.server` does, in a warm process, with a part `broken` where that is named.

    It has one decoder, unless the options say otherwise: to start another takes a second.
    """
    if broken:
        module = ("tests.support.saboteur", broken)
    return server.running_server(bundle, module=module, start=_start, **{"num_decoders": 1, **options})


def _start(words: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> WarmProcess:
    return WarmProcess(words, environment, (1, log.fileno()))
