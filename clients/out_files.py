"""The file that a time line is written to."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from clients.errors import InputError
from clients.options import TimelineFormat

_FORMATS: Mapping[str, TimelineFormat] = {".json": "json", ".csv": "csv", ".vtt": "vtt"}


def format_of(out: Path, inputs: Iterable[Path]) -> TimelineFormat:
    """Return the format that a file's name asks for; raises `InputError` where nothing should be written there."""
    if out.suffix.lower() not in _FORMATS:
        raise InputError(f"--out {out}: let it end in one of {', '.join(_FORMATS)}")
    if any(path.exists() and out.exists() and out.samefile(path) for path in inputs):
        raise InputError(f"--out {out}: is the recording itself; give another name")
    if out.exists() and not out.is_file():
        raise InputError(f"--out {out}: is no file, and is not replaced; give another name")
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no such folder; make it, or give another one")
    return _FORMATS[out.suffix.lower()]


def write_out(out: Path, text: str) -> None:
    """Write a file, all of it or nothing; raises `InputError` where it cannot be written."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8", newline="")
        temporary.replace(out)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); give another name") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
