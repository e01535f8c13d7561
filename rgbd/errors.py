"""Mistakes that a user can correct.

UserError
|-- MediaError                 a file cannot be read as the frames it should hold
|   |-- UnknownContainerError
|   |-- DamagedError
|   |-- TooLargeError
|   |-- NoSpaceError
|   `-- MissingStreamError
|-- DatasetError               a folder, list or recording has not the layout it should have
|-- ConfigError                a setting is unknown, wrong, or contradicts another
|-- LockedError                another process writes there (rgbd.locks)
`-- BundleError                a bundle cannot be used (export.bundle)
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can correct: the message names the value, what was expected and what to do."""


class MediaError(UserError):
    """A file or an upload cannot be read as the frames it should hold."""


class UnknownContainerError(MediaError):
    """A file is in no format that is read here."""


class DamagedError(MediaError):
    """A recording was cut, or damaged, and only a part of it can be read as it was."""


class TooLargeError(MediaError):
    """A recording has more frames, or larger ones, than are taken."""


class NoSpaceError(MediaError):
    """A recording cannot be unpacked, because the disk is full."""


class MissingStreamError(MediaError):
    """A model needs a stream that was not given."""


class DatasetError(UserError):
    """A folder, split file or recording does not have the layout it should have."""


class ConfigError(UserError):
    """A setting is unknown, has a wrong value, or contradicts another one."""


NO_MEMORY = (
    "needs more memory than there is for it; scale its frames down, or allow more (of the service: decoder_memory_mb)"
)
"""What a message says of a recording that cannot be decoded for that reason, behind its name."""

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # on the disk, in the quota, under the limit to files
_SIGNS_OF_NO_MEMORY = re.compile(r"bad.?alloc|allocat|out of memory|(insufficient|not enough) memory", re.IGNORECASE)


@contextmanager
def out_of_memory(remedy: str) -> Iterator[None]:
    """Turn a library's lack of memory, which each reports in its own way, into a `UserError` with the remedy."""
    try:
        yield
    except Exception as error:
        cause = error.__cause__ if isinstance(error, UserError) else error  # it may have been told in our words
        if isinstance(cause, MemoryError) or (cause and _SIGNS_OF_NO_MEMORY.search(str(cause))):
            raise UserError(f"there is too little memory for this: {remedy} ({reason_of(error)})") from error
        raise


def is_no_space(error: BaseException) -> bool:
    """Return whether something could not be written because there is no space for it."""
    return isinstance(error, OSError) and error.errno in _NO_SPACE


def reason_of(error: Exception) -> str:
    """Return what went wrong without the path, which the messages of `OSError` repeat."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
