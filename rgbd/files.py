"""Write to a temporary name beside the final one, then rename: a reader never sees half a file."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LEFTOVER = re.compile(r"\.(?P<stem>.+)\.\d+\.tmp(?P<suffix>\.[^.]+?)??(\.old)?")


def _temporary(final: Path) -> Path:
    # The suffix stays last, because codecs and writers choose a format by it.
    return final.with_name(f".{final.stem}.{os.getpid()}.tmp{final.suffix}")


def remove_leftovers(folder: Path, names: re.Pattern[str] | None = None) -> None:
    """Remove what killed processes left in `folder`, as `remove_leftovers_of` does; nobody may be writing there.

    With `names`, only of files and folders that are called so.
    """
    left = [match for path in folder.glob(".*.tmp*") if (match := _LEFTOVER.fullmatch(path.name))]
    for name in {match["stem"] + (match["suffix"] or "") for match in left}:
        if names is None or names.fullmatch(name):
            remove_leftovers_of(folder / name)


def remove_leftovers_of(final: Path) -> None:
    """Remove what killed processes left beside a file or folder that they wrote; nobody may be writing it.

    A folder that one of them was just replacing comes back where nothing has taken its place.
    """
    name = rf"\.{re.escape(final.stem)}\.\d+\.tmp{re.escape(final.suffix)}(\.old)?"
    left = [path for path in final.parent.iterdir() if re.fullmatch(name, path.name)]
    replaced = [path for path in left if path.name.endswith(".old")]
    if replaced and not final.exists():
        max(replaced, key=lambda path: path.stat().st_mtime).rename(final)
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def atomic_file(final: Path) -> Iterator[Path]:
    """Yield a path to write to; it becomes `final` when the block ends, and vanishes when the block raises."""
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(final)
    try:
        yield temporary
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(final: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it replaces `final` when the block ends, and vanishes when the block raises.

    Raises `NotADirectoryError` when `final` is something else than a folder.
    """
    final = final.resolve()
    if final.exists() and not final.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(final))
    temporary = _temporary(final)
    replaced = temporary.with_name(temporary.name + ".old")
    _tidy(final, temporary, replaced)  # a killed process may have had this one's number
    try:
        temporary.mkdir(parents=True)  # Ctrl-C may come as soon as it is there
        yield temporary
        if final.exists():
            final.rename(replaced)
        temporary.rename(final)
    finally:
        _tidy(final, temporary, replaced)


def _tidy(final: Path, temporary: Path, replaced: Path) -> None:
    """Leave only `final`, which is what was to be replaced where nothing has taken its place."""
    if replaced.exists() and not final.exists():
        replaced.rename(final)
    for folder in (temporary, replaced):
        shutil.rmtree(folder, ignore_errors=True)


def split_lines(text: str) -> list[str]:
    r"""Return the lines of a text, without their ends: \n or \r\n.

    `str.splitlines` ends a line at other characters too, such as U+2028, which names of files and classes may have.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]
