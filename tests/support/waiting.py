"""Waiting for what comes about in its own time."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.support.warm import TalkingProcess

_LIMIT_S = 120


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[Any] | TalkingProcess | None = None) -> None:
    """Wait until the condition holds: two minutes at most, and while `process` runs, if it hangs on one."""
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"not within {_LIMIT_S} s"
        time.sleep(0.01)
