"""A real server process on a free port."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunningServer:
    """A server that listens."""

    url: str
    process: subprocess.Popen[str]


@contextmanager
def running_server(bundle: Path | None = None, **settings: object) -> Iterator[RunningServer]:
    """Serve a bundle, or what the settings say, while the block runs. Ends with SIGTERM, exit 0."""
    settings |= {"port": 0} | ({"bundle": bundle} if bundle else {})
    variables = {f"RGBD_MOTION_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-u", "-m", "serve"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | variables)
    try:
        yield RunningServer(_address(process), process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if match := re.search(r"open (http://\S+?),", line):
            return match[1]
    raise AssertionError(f"the server ended before it listened:\n{seen}")
