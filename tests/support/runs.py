"""Small runs as processes: started, watched, and sent signals."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from training.checkpoint import load_checkpoint


def start(*command: str, **options: object) -> subprocess.Popen[str]:
    """Start `python -m command...`; its output is in one pipe."""
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait while `process` runs, which must not end before the condition holds."""
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.stdout and process.stdout.read()
        time.sleep(0.01)


def steps_done(out: Path) -> int:
    """Return the optimizer's steps that last.pt stands for, 0 without one."""
    path = out / "last.pt"
    return load_checkpoint(path).position.step if path.exists() else 0
