"""A real server process on a free port."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Protocol


class Process(Protocol):
    """What is asked of a server's process."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...


@dataclass(frozen=True)
class RunningServer:
    """A server that listens, and what it says meanwhile."""

    url: str
    process: Process
    log: Path


def start_python(words: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> Process:
    """Start `python -m words...` with its errors in `log`."""
    return subprocess.Popen([sys.executable, "-u", "-m", *words], stderr=log, env=environment)


@contextmanager
def running_server(
    bundle: Path | None = None,
    *,
    module: Sequence[str] = ("serve",),
    exit_code: int = 0,
    start: Callable[[Sequence[str], Mapping[str, str], IO[bytes]], Process] = start_python,
    **settings: object,
) -> Iterator[RunningServer]:
    """Serve a bundle, or what the settings say, while the block runs; `module` is what `start` runs, and its words.

    Ends with SIGTERM, where it has not ended by itself, and this exit code.
    """
    settings = {"port": 0} | settings | ({"bundle": bundle} if bundle else {})
    variables = {f"RGBD_MOTION_{name.upper()}": str(value) for name, value in settings.items()}
    with NamedTemporaryFile(suffix=".log") as log:
        process = start(module, os.environ | variables, log)
        path = Path(log.name)
        try:
            yield RunningServer(_address(process, path), process, path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == exit_code
        finally:
            process.kill()
            process.wait()


def _address(process: Process, log: Path) -> str:
    while process.poll() is None:
        if match := re.search(r"open (http://\S+?),", log.read_text()):
            return match[1]
        time.sleep(0.02)
    raise AssertionError(f"the server ended before it listened:\n{log.read_text()}")
