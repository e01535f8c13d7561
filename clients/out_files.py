"""The files that time lines, tables and pictures are written to."""

import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from clients.errors import InputError
from clients.options import TimelineFormat
from clients.uploads import FRAME_SUFFIXES

_FORMATS: Mapping[str, TimelineFormat] = {".json": "json", ".csv": "csv", ".vtt": "vtt"}


def format_of(out: Path, inputs: Collection[Path]) -> TimelineFormat:
    """Return the format that a file's name asks for; raises as `check_out`."""
    check_out(out, inputs, _FORMATS)
    return _FORMATS[out.suffix.lower()]


def check_out(out: Path, inputs: Collection[Path], suffixes: Collection[str], flag: str = "--out") -> None:
    """Raise `InputError` where nothing should be written there."""
    if out.suffix.lower() not in suffixes:
        raise InputError(f"{flag} {out}: let it end in {'one of ' * (len(suffixes) > 1)}{', '.join(suffixes)}")
    if any(path.exists() and out.exists() and out.samefile(path) for path in inputs):
        raise InputError(f"{flag} {out}: is the recording itself; give another name")
    if out.exists() and not out.is_file():
        raise InputError(f"{flag} {out}: is no file, and is not replaced; give another name")
    if not out.parent.is_dir():
        raise InputError(f"{flag} {out}: there is no such folder; make it, or give another one")
    if out.suffix.lower() in FRAME_SUFFIXES and any(path.is_dir() and out.parent.samefile(path) for path in inputs):
        raise InputError(f"{flag} {out}: would be a frame of the recording; give another folder")


def write_out(out: Path, data: bytes, flag: str = "--out") -> None:
    """Write a file, all of it or nothing; raises `InputError` where it cannot be written."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(out)
    except OSError as error:
        raise InputError(f"{flag} {out}: cannot be written ({error.strerror}); give another name") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
