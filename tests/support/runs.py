"""Small runs as processes: started, watched, and sent signals."""

import subprocess
import sys
from pathlib import Path

from training.run.checkpoint import load_checkpoint


def start(*command: str, **options: object) -> subprocess.Popen[str]:
    """Start `python -m command...`; its output is in one pipe."""
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def steps_done(out: Path) -> int:
    """Return the optimizer's steps that last.pt stands for, 0 without one."""
    path = out / "last.pt"
    return load_checkpoint(path).position.step if path.exists() else 0
