"""Small runs as processes: started, watched, and sent signals."""

import os
from pathlib import Path

from tests.support.warm import TalkingProcess
from training.run.checkpoint import load_checkpoint


def start(*command: str, new_session: bool = False) -> TalkingProcess:
    """Start `python -m command...`; its outputs are one pipe."""
    return TalkingProcess(command, os.environ, new_session=new_session)


def steps_done(out: Path) -> int:
    """Return the optimizer's steps that last.pt stands for, 0 without one."""
    path = out / "last.pt"
    return load_checkpoint(path).position.step if path.exists() else 0
