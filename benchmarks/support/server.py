"""A real server process on a free port."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile


@dataclass(frozen=True)
class RunningServer:
    """A server that listens, and what it says meanwhile."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running_server(
    bundle: Path | None = None, *, module: Sequence[str] = ("serve",), exit_code: int = 0, **settings: object
) -> Iterator[RunningServer]:
    """Serve a bundle, or what the settings say, while the block runs; `module` is what Python runs, and its words.

    Ends with SIGTERM, where it has not ended by itself, and this exit code.
    """
    settings |= {"port": 0} | ({"bundle": bundle} if bundle else {})
    variables = {f"RGBD_MOTION_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-u", "-m", *module]
    with NamedTemporaryFile(suffix=".log") as log:
        process = subprocess.Popen(command, stderr=log, env=os.environ | variables)
        path = Path(log.name)
        try:
            yield RunningServer(_address(process, path), process, path)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == exit_code
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        if match := re.search(r"open (http://\S+?),", log.read_text()):
            return match[1]
        time.sleep(0.02)
    raise AssertionError(f"the server ended before it listened:\n{log.read_text()}")
