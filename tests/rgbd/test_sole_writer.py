"""One process at a time writes a file or folder, and what killed ones left of it, and of nothing else, is removed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rgbd.files import atomic_folder
from rgbd.locks import LockedError, sole_writer
from tests.support.folders import write

_HOLD = """
import sys
from pathlib import Path
from rgbd.files import atomic_folder
from rgbd.locks import sole_writer
with sole_writer(Path(sys.argv[1])), atomic_folder(Path(sys.argv[1])) as folder:
    (folder / "file").write_text("half")
    print("writing", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_killed_writer_is_in_nobodys_way(tmp_path: Path) -> None:
    final = tmp_path / "a[1].b"  # not a pattern
    command = [sys.executable, "-c", _HOLD, str(final)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        with pytest.raises(LockedError, match=rf"process {process.pid} .* writing there"), sole_writer(final):
            pass
        process.send_signal(signal.SIGKILL)
    assert set(names(tmp_path)) == {".a[1].b.lock", f".a[1].{process.pid}.tmp.b"}
    with sole_writer(final):
        assert names(tmp_path) == [".a[1].b.lock"]
        write(final, "new")
    assert names(tmp_path) == ["a[1].b"]


def test_only_what_was_left_of_the_same_is_removed(tmp_path: Path) -> None:
    of_others = [".bundle.7.tmp.v2", ".bundle.lock.7.tmp", ".my.bundle.7.tmp", ".bundle.x.7.tmp", ".bundle.7.tmpx"]
    for name in (".bundle.7.tmp", *of_others):
        (tmp_path / name).mkdir()
    (tmp_path / "bundle.zip").write_text("old")
    (tmp_path / ".bundle.8.tmp.zip").write_text("half")
    with sole_writer(tmp_path / "bundle"):
        pass
    assert names(tmp_path) == sorted([*of_others, "bundle.zip", ".bundle.8.tmp.zip"])
    with sole_writer(tmp_path / "bundle.zip"):
        pass
    assert names(tmp_path) == sorted([*of_others, "bundle.zip"])


def test_the_only_copy_is_never_removed(tmp_path: Path) -> None:
    final, left = tmp_path / "bundle", tmp_path / ".bundle.7.tmp.old"
    write(final, "old")
    final.rename(left)  # killed between the two renames
    write(tmp_path / ".bundle.7.tmp", "new")
    older = tmp_path / ".bundle.3.tmp.old"
    shutil.copytree(left, older)
    (older / "file").write_text("older")
    os.utime(older, (1, 1))
    with pytest.raises(KeyboardInterrupt), sole_writer(final), atomic_folder(final):
        raise KeyboardInterrupt
    assert names(tmp_path) == ["bundle"] and (final / "file").read_text() == "old"
    shutil.copytree(final, left)  # killed behind them
    with sole_writer(final):
        pass
    assert names(tmp_path) == ["bundle"] and (final / "file").read_text() == "old"


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="Not a directory"), sole_writer(tmp_path / "file" / "bundle"):
        pass
