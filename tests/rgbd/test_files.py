"""Folders are replaced whole, or stay as they were."""

import os
import shutil
from pathlib import Path

import pytest

from rgbd.files import atomic_folder, remove_leftovers
from tests.support.folders import write


def test_a_folder_is_replaced_also_through_a_link(tmp_path: Path) -> None:
    write(tmp_path / "folder", "old")
    (tmp_path / "link").symlink_to("folder")
    write(tmp_path / "link", "new")
    assert (tmp_path / "folder" / "file").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link"]


def test_the_folder_that_one_is_in_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "folder", "old")
    monkeypatch.chdir(tmp_path / "folder")
    write(Path(), "new")
    assert (tmp_path / "folder" / "file").read_text() == "new"


def test_a_file_is_not_replaced_and_leftovers_of_the_killed_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(NotADirectoryError):
        write(tmp_path / "file", "new")
    write(tmp_path / "folder", "old")
    left = tmp_path / f".folder.{os.getpid()}.tmp.old"  # by a process of the same number, killed as it tidied up
    shutil.copytree(tmp_path / "folder", left)
    write(tmp_path / "folder", "new")
    assert (tmp_path / "folder" / "file").read_text() == "new"
    (tmp_path / "folder").rename(left)  # or killed before the new one was in its place
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "folder"):
        raise KeyboardInterrupt
    assert (tmp_path / "folder" / "file").read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_interrupted_while_it_replaces_it_keeps_a_whole_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "folder", "old")

    def interrupted(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "file").write_text("new")
        monkeypatch.setattr(Path, "rename", interrupted)
    assert (tmp_path / "folder" / "file").read_text() == "old"
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "file").write_text("new")
        monkeypatch.setattr(shutil, "rmtree", interrupted)
    assert (tmp_path / "folder" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir() if "tmp" not in path.name] == ["folder"]


def test_leftovers_are_told_from_what_others_call_so(tmp_path: Path) -> None:
    for name in (".mine.tmp", ".notes.tmp.txt", "x.12.tmp"):
        (tmp_path / name).mkdir()
    for name in (".clip.12.tmp", ".clip.12.tmp.old", ".last.7.tmp.pt"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.tmp", ".notes.tmp.txt", "clip", "x.12.tmp"]
    assert (tmp_path / "clip" / "file").read_text() == ".clip.12.tmp.old"  # the only whole one, when the kill came
