"""What clips are made from: compared, run by run, with what the list names now."""

import os
from collections.abc import Mapping
from pathlib import Path

from rgbd.dataset.records import ClipRecord, SourceFile, SourceName, printable

Sources = Mapping[SourceName, SourceFile]

_STREAMS: tuple[SourceName, ...] = ("rgb", "depth")


def source_path(path: Path, raw: Path) -> str:
    """Return how a record names what is read: relative to `raw`, so that both may move together."""
    return printable(Path(os.path.relpath(path, raw)).as_posix())


def change_of(record: ClipRecord, made_from: Sources) -> str | None:
    """Return, in words, what a clip was made from that is another file, excerpt or unit now; None where nothing is.

    What is gone now does not count, nor does a stream that has come: it is done beside the others. Of records that do
    not say what their clips were made from, nothing is known.
    """
    if not record.made_from:
        return None
    changes = []
    for name, now in made_from.items():
        was = record.made_from.get(name)
        if was != now and not (was is None and name in _STREAMS):
            changes.append(f"{name} was {was or 'not there'}, and is {now}")
    return "; ".join(changes) or None


def moved(record: ClipRecord, made_from: Sources, raw_before: Path, raw: Path) -> dict[SourceName, SourceFile]:
    """Return what a clip was made from by the names that it has now: the list may lie elsewhere than before."""
    return {
        name: now
        if (now := made_from.get(name)) is not None and _in_full(was, raw_before) == _in_full(now, raw)
        else was
        for name, was in record.made_from.items()
    }


def _in_full(source: SourceFile, raw: Path) -> SourceFile:
    return source.model_copy(update={"path": os.path.normpath(raw / source.path)})
