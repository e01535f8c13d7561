"""Outputs never meet inputs: what is written is no file or folder that is read, holds none, and lies in none."""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from rgbd.errors import UserError

_Identity = tuple[int, int]  # a file's device and inode: the same however it is spelled, and through links


def check_apart(outputs: Iterable[Path], inputs: Iterable[Path], *, option: str = "--out") -> None:
    """Check that no output is an input, holds one, or lies in one; neither needs to exist.

    Links are followed. Raises `UserError`, naming both places, where outputs and inputs meet; `option` is what named
    the outputs.
    """
    resolver = _Resolver()
    written, read = _Places(outputs, resolver), _Places(inputs, resolver)
    meetings = chain(read.around_each_of(written), ((found, path) for path, found in written.around_each_of(read)))
    for output, source in meetings:
        words = f"{output} would be written, and {source} is read, which must not be overwritten"
        raise UserError(f"{option}: {words}; name another place")


def check_replaceable(path: Path, *suffixes: str, option: str = "--out") -> None:
    """Check that a file that is there may be replaced: its name ends as what is to be written; else `UserError`."""
    if path.exists() and path.suffix.lower() not in suffixes:
        raise UserError(
            f"{option} {path}: is there already, and by its name no {suffixes[0]} file; remove it, or name another"
        )


def with_links(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the paths, and of folders among them the links in them, which stand for files elsewhere."""
    for path in paths:
        yield path
        yield from _links_in(path)


def _links_in(path: Path) -> Iterator[Path]:
    try:
        if path.is_dir():
            with os.scandir(path) as entries:
                yield from (Path(entry.path) for entry in entries if entry.is_symlink())
    except PermissionError:
        return  # what cannot be listed is not read either: whoever tries says so


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except PermissionError:
        return False  # it lies where nobody may look


class _Resolver:
    """Follows links; what many paths have in common, their folders, is followed once."""

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}

    def __call__(self, path: Path) -> Path:
        if path.name in ("", "..") or _is_link(path):
            return path.resolve()
        if path.parent not in self._folders:
            self._folders[path.parent] = path.parent.resolve()
        return self._folders[path.parent] / path.name


class _Places:
    """Files and folders, to be asked whether something is one of them or lies in one."""

    def __init__(self, paths: Iterable[Path], resolver: _Resolver) -> None:
        self._paths = {resolver(path): path for path in paths}
        self._identities = {identity: path for path in self._paths if (identity := _identity(path)) is not None}
        self._around: dict[Path, Path | None] = {}  # many paths lie in few folders

    def around_each_of(self, others: "_Places") -> Iterator[tuple[Path, Path]]:
        """Yield, as they were spelled, (the other, the place) of those others that are a place or lie in one."""
        for resolved, path in others._paths.items():
            if found := self._at(resolved) or self._above(resolved):
                yield path, self._paths[found]

    def _above(self, path: Path) -> Path | None:
        folder = path.parent
        if folder == path:
            return None
        if folder not in self._around:
            self._around[folder] = self._at(folder) or self._above(folder)
        return self._around[folder]

    def _at(self, path: Path) -> Path | None:
        if path in self._paths:
            return path
        identity = _identity(path)
        return None if identity is None else self._identities.get(identity)


def _identity(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
