"""What is said of a file of keys, or of settings, that cannot be read or written: the reason, and what helps."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rgbd.errors import ConfigError
from serve.keys import add_key, read_keys
from serve.settings import read_settings

_NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be a user who may not read what others keep for themselves."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that everybody may look into."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o11 != 0o11:
            parent.chmod(0o711)
    return tmp_path


@pytest.fixture
def locked(folder: Path) -> Path:
    """Return a file of keys that nobody may read."""
    file = folder / "keys.json"
    add_key(file, "camera", None, admin=False)
    file.chmod(0)
    return file


def test_a_file_that_may_not_be_read_is_not_to_be_made_anew(locked: Path) -> None:
    with as_nobody(), pytest.raises(ConfigError) as refusal:
        read_keys(locked)
    assert str(refusal.value) == (
        f"{locked}: cannot be read (Permission denied); let the user read it whom the service runs as"
    )
    with (
        as_nobody(),
        pytest.raises(ConfigError, match=r"keys\.json: cannot be read \(Permission denied\); let the user"),
    ):
        add_key(locked, "second", None, admin=False)


def test_a_file_that_is_not_there_is_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_keys(tmp_path / "keys.json")
    there, made_by = f"{tmp_path}/keys.json", f"python -m serve.keys NAME --file {tmp_path}/keys.json"
    assert str(refusal.value) == f"{there}: there is no such file; make it with {made_by}"


def test_a_folder_is_no_file_of_keys(tmp_path: Path) -> None:
    for ask in (lambda: read_keys(tmp_path), lambda: add_key(tmp_path, "camera", None, admin=False)):
        with pytest.raises(ConfigError, match=r"is a folder; name the file of keys that lies in it"):
            ask()


def test_a_damaged_file_is_not_to_be_added_to(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("{")
    for ask in (lambda: read_keys(file), lambda: add_key(file, "camera", None, admin=False)):
        with pytest.raises(
            ConfigError, match=r"keys\.json: .*Invalid JSON.*; correct it, or make another file with pyth"
        ):
            ask()


def test_a_file_that_cannot_be_written_is_no_crash(folder: Path) -> None:
    folder.chmod(0o511)  # also for its owner
    with as_nobody(), pytest.raises(ConfigError, match=r"keys\.json: cannot be written \(.*\); name another --file"):
        add_key(folder / "keys.json", "camera", None, admin=False)
    folder.chmod(0o711)
    (folder / "file").touch()
    with pytest.raises(ConfigError, match=r"keys\.json: cannot be written \("):
        add_key(folder / "file" / "keys.json", "camera", None, admin=False)


def test_settings_that_may_not_be_read_are_named(folder: Path) -> None:
    config = folder / "service.toml"
    config.write_text("port = 0\n")
    config.chmod(0)
    with as_nobody(), pytest.raises(ConfigError, match=r"service\.toml: cannot be read \(Permission denied\); let the"):
        read_settings({"config": str(config)})
