"""One writer at a time: a lock that ends with the process that holds it, however that ends.

The lock is the kernel's (flock), not the file's existence, so a killed process leaves nothing to clean up. It is shared
by the processes of one job: where the process that leads them is killed, the lock lasts until the last of them ends.
"""

import errno
import fcntl
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from rgbd.errors import UserError, reason_of
from rgbd.files import remove_leftovers_of
from rgbd.terminal import say

LOCK_FILE = ".lock"  # of a folder, in it

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # what file systems without locks answer


class LockedError(UserError):
    """Something is being written by another process."""


class _Holder(BaseModel):
    """The content of a lock file: which job holds it, and how a person finds its leading process."""

    model_config = ConfigDict(frozen=True)

    job: str
    host: str
    pid: int
    command: str
    since: datetime


@dataclass(frozen=True)
class Lock:
    """A lock file that this job holds, None where the file system has no locks; it can be sent to other processes."""

    path: Path | None
    job: str

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Hold the lock together with the job's leading process, for the length of the block.

        Raises `LockedError` where that process has ended and another job has begun.
        """
        if self.path is None:
            yield
            return
        try:
            with self.path.open("rb+") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                holder = _read_holder(self.path)
                if holder is None or holder.job != self.job:
                    raise BlockingIOError
                yield
        except (BlockingIOError, FileNotFoundError) as error:
            raise LockedError(f"{self.path}: is not this job's any more; its leading process has ended") from error


@contextmanager
def locked(path: Path, what: Path) -> Iterator[Lock]:
    """Hold the lock file `path`, which is made where it is missing and removed at the end, for the length of the block.

    Raises `LockedError` at once, naming the process, where another one writes `what`. Where the file system has no
    locks, it says so and goes on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = _open_locked(path)
    except BlockingIOError as error:
        raise LockedError(f"{what}: {_busy(path)}; wait until it has ended, or write somewhere else") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path}: is in the way, and a link; move it") from error
        if error.errno not in _NO_LOCKS:
            raise
        say(
            f"warning: {what}: its file system cannot lock files ({reason_of(error)}); only one command may write there"
        )
        yield Lock(None, "")
        return
    with file:
        job = uuid4().hex
        holder = _Holder(
            job=job,
            host=socket.gethostname(),
            pid=os.getpid(),
            command=shlex.join(sys.orig_argv),
            since=datetime.now(UTC),
        )
        file.write(holder.model_dump_json())
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # from here on the job's other processes may share it
        try:
            yield Lock(path, job)
        finally:
            _remove(path, file)


def _open_locked(path: Path) -> IO[str]:
    """Return the lock file, empty, held by this process alone; raises `BlockingIOError` where another one has it."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                if path.stat().st_size and _read_holder(path) is None:
                    raise UserError(f"{path}: is in the way, and no lock that this program has left; move it")
                file.truncate(0)
                return file
        except FileNotFoundError:
            pass  # its holder has just removed it: what was locked is no longer in the folder
        except BaseException:
            file.close()
            raise
        file.close()


def _remove(path: Path, file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # a process of this job has not ended yet, and the file is what keeps others out
        return
    path.unlink(missing_ok=True)


def _read_holder(path: Path) -> _Holder | None:
    try:
        return _Holder.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):  # it has just been made, or is just being removed
        return None


def _busy(path: Path) -> str:
    holder = _read_holder(path)
    if holder is None:
        return "another process writes there"
    since = holder.since.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"process {holder.pid} on {holder.host} has been writing there since {since} ({holder.command})"


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
