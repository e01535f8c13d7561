"""A lock keeps others out, names who holds it, is shared by one job, and dies with its processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rgbd.errors import UserError
from rgbd.locks import LockedError, locked

_HOLD = "import sys; from pathlib import Path; from rgbd.locks import locked\n"
_HOLD += "with locked(Path(sys.argv[1]), Path('what')): print('held', flush=True); sys.stdin.read()"


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds a lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data" / ".lock"
    with holder(path) as process:
        with (
            pytest.raises(LockedError, match=rf"(?s)^what: process {process.pid} on .*-c .*; wait"),
            locked(path, Path("what")),
        ):
            pass
        process.communicate("")
    assert not path.exists()
    with locked(path, Path("what")):
        assert path.exists()
    assert not path.exists()


def test_it_dies_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert path.exists()
        with locked(path, tmp_path):
            pass
    assert not path.exists()


def test_the_processes_of_a_job_share_it_and_outlive_its_leader(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with ExitStack() as orphan:
        with locked(path, tmp_path) as lock:
            with lock.shared(), lock.shared():
                pass
            orphan.enter_context(lock.shared())
        with pytest.raises(LockedError), locked(path, tmp_path):
            pass
    with locked(path, tmp_path), pytest.raises(LockedError), lock.shared():
        pass  # another job has begun


def test_what_is_no_lock_is_not_touched(tmp_path: Path) -> None:
    path, precious = tmp_path / ".lock", tmp_path / "precious"
    path.write_text("somebody's")
    with pytest.raises(UserError, match="in the way"), locked(path, tmp_path):
        pass
    assert path.read_text() == "somebody's"
    path.rename(precious)
    path.symlink_to(precious)
    with pytest.raises(UserError, match="in the way, and a link"), locked(path, tmp_path):
        pass
    assert precious.read_text() == "somebody's" and path.is_symlink()
