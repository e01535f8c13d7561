"""One process at a time writes what takes long to write, and finds nothing of those that were killed at it."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preprocess.atomic import remove_leftovers_of
from preprocess.lock import locked


@contextmanager
def sole_writer(final: Path) -> Iterator[None]:
    """Be the only one that writes a file or folder, for the length of the block; what killed ones left is removed.

    Raises `LockedError`, naming the process, where another one writes it.
    """
    final = final.resolve()
    if final.parent.is_file():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(final.parent))
    with locked(final.with_name(f".{final.name}.lock"), final):
        remove_leftovers_of(final)
        yield
