"""A real server process on a free port, perhaps with a part of it broken."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from benchmarks.support import server
from benchmarks.support.server import RunningServer

__all__ = ["RunningServer", "running_server"]


def running_server(
    bundle: Path | None = None, *, broken: str | None = None, **options: Any
) -> AbstractContextManager[RunningServer]:
    """Serve as `benchmarks.support.server` does, with a part `broken` where that is named (`saboteur`)."""
    module = ("tests.support.saboteur", broken) if broken else ("serve",)
    return server.running_server(bundle, module=module, **options)
