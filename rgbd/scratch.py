"""Folders for what is needed for a moment, in the temp folder; what killed processes left there is told by its lock.

The lock is the kernel's (flock), on a file in the folder, and ends with the process that holds it, however that ends.
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_PREFIX = "rgbd-motion-"
_MARK = ".rgbd-motion-scratch"  # a folder of a user's may have the prefix, but not this in it
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # what file systems without locks answer


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder, which is gone with all that is in it when the block ends."""
    folder, mark = _make()
    with mark:
        try:
            (folder / "files").mkdir()
            yield folder / "files"
        finally:
            with suppress(FileNotFoundError):  # somebody has cleaned up in the temp folder
                shutil.rmtree(folder)


def _make() -> tuple[Path, IO[bytes]]:
    """Return a new folder, and the file in it that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(FileNotFoundError):
            mark = (folder / _MARK).open("xb")
            try:
                fcntl.flock(mark, fcntl.LOCK_SH)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    mark.close()
                    raise
            if (folder / _MARK).exists():
                return folder, mark
            mark.close()
        # A process that just started took it for abandoned, as it had no lock yet.


def remove_abandoned(temp: Path) -> int:
    """Remove from a temp folder the scratch folders of processes that live no more, as far as they are this user's.

    Returns their number. Where the file system has no locks, none is known to be abandoned.
    """
    num_removed = 0
    for mark in temp.glob(f"{_PREFIX}*/{_MARK}"):
        with suppress(OSError):  # its process lives, or has just removed it; or it is another user's
            descriptor = os.open(mark, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(descriptor).st_uid == os.geteuid():
                    shutil.rmtree(mark.parent)  # which follows no link
                    num_removed += 1
            finally:
                os.close(descriptor)
    return num_removed
