"""Scratch folders vanish with their block, or at the next start where their process was killed; no others do."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rgbd.scratch import remove_abandoned, scratch_folder

HOLD = """
import sys
from rgbd.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "rgb").write_bytes(b"a recording")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@contextmanager
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Yield a process that has a scratch folder, and what it was given."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout is not None
        yield it, Path(it.stdout.readline().strip())
        it.kill()


def test_a_folder_vanishes_with_its_block(temp: Path) -> None:
    with scratch_folder() as folder:
        assert folder.is_relative_to(temp) and list(folder.iterdir()) == []
        (folder / "rgb").write_bytes(b"a recording")
    with pytest.raises(ZeroDivisionError), scratch_folder():
        raise ZeroDivisionError
    assert list(temp.iterdir()) == []


def test_folders_of_killed_processes_are_removed_and_those_of_living_ones_stay(temp: Path) -> None:
    with holder() as (killed, left), holder() as (_, used), scratch_folder() as ours:
        assert remove_abandoned(temp) == 0
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "rgb").exists()
        assert remove_abandoned(temp) == 1
        assert not left.parent.exists()
        assert (used / "rgb").read_bytes() == b"a recording" and ours.exists()
        assert len(list(temp.iterdir())) == 2


def test_what_is_no_scratch_folder_stays(temp: Path) -> None:
    users = temp / "rgbd-motion-training"
    users.mkdir()
    (users / "best.pt").touch()
    (temp / "elsewhere").mkdir()
    (temp / "elsewhere" / ".rgbd-motion-scratch").touch()
    (temp / "rgbd-motion-link").symlink_to(temp / "elsewhere")
    assert remove_abandoned(temp) == 0
    assert (users / "best.pt").exists() and (temp / "elsewhere" / ".rgbd-motion-scratch").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_another_users_stay(temp: Path) -> None:
    folder = temp / "rgbd-motion-abcdefgh"
    folder.mkdir()
    (folder / ".rgbd-motion-scratch").touch()
    os.chown(folder / ".rgbd-motion-scratch", 12345, 12345)
    assert remove_abandoned(temp) == 0 and folder.exists()


def test_many_starts_beside_many_uploads_take_none_away(temp: Path) -> None:
    failures: list[BaseException] = []
    is_over = threading.Event()

    def use() -> None:
        try:
            for _ in range(200):
                with scratch_folder() as folder:
                    (folder / "rgb").write_bytes(b"x")
                    assert (folder / "rgb").read_bytes() == b"x"
        except BaseException as error:
            failures.append(error)

    def start() -> None:
        while not is_over.is_set():
            remove_abandoned(temp)

    users = [threading.Thread(target=use) for _ in range(4)]
    starts = [threading.Thread(target=start) for _ in range(2)]
    for thread in users + starts:
        thread.start()
    for thread in users:
        thread.join()
    is_over.set()
    for thread in starts:
        thread.join()
    assert failures == []
