"""What recordings lie below a folder, and which files of colour and depth belong together."""

import hashlib
import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clients.errors import InputError
from clients.uploads import as_text, frames_in, natural_order

_SUFFIXES = {
    *(".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".zip", ".npy", ".npz", ".mat"),
    *(".bag", ".mcap", ".db3", ".r3d", ".bin"),
}  # of the files that the service reads, beside images: docs/formats.md
_DEPTH_ALONE = {".bin"}  # MSR-Action3D's
_WORD = re.compile(r"[\W_]*(?:(?<=[\W_])|^)(rgb|colou?r|depth)(?=[\W_]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Recording:
    """One recording, by its files or folders of frames; their names are places below the folder.

    `unclear` says why it is not known which files are its own, and is empty where that is.
    """

    rgb: Path | None
    depth: Path | None
    rgb_name: str
    depth_name: str
    unclear: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the other recordings below the folder."""
        return self.rgb_name, self.depth_name

    def fingerprint(self, asked: Mapping[str, Any]) -> str:
        """Return what is another text when its files have changed, or something else is asked about it."""
        files = [_state(path) for path in (self.rgb, self.depth) if path is not None]
        text = json.dumps([files, self.unclear, asked], sort_keys=True, default=dict)
        return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


@dataclass(frozen=True)
class _Part:
    """A file or folder of frames, by its place; `key` is what it shares with the other stream of its recording."""

    path: Path
    place: Path
    key: tuple[str, ...]
    stream: str  # "rgb", "depth", "both", or "" where its name does not tell


def find_recordings(folder: Path) -> list[Recording]:
    """Return the recordings below a folder, in the order of their names and numbers.

    Two files, or folders of frames, whose places differ in nothing but a word, rgb, color or colour beside depth or no
    word at all, and in the ending, are colour and depth of one recording; the deepest folder or name that has such a
    word counts. Raises `InputError` where the folder cannot be read, or none is there.
    """
    groups: dict[tuple[str, ...], list[_Part]] = defaultdict(list)
    for path in _candidates(folder):
        part = _part(path, path.relative_to(folder))
        groups[part.key].append(part)
    found = [recording for parts in groups.values() for recording in _together(parts)]
    if not found:
        raise InputError(f"{folder}: holds no recordings; docs/clients.md says which files are taken for some")
    return sorted(found, key=lambda recording: natural_order(recording.rgb_name or recording.depth_name))


def _candidates(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); check the path and its permissions")

    seen: set[str] = set()  # a link to a folder above would lead round and round
    for root, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        if frames_in(Path(root)):
            yield Path(root)
        shown = (Path(root) / name for name in sorted(files) if not _is_hidden(name))
        yield from (path for path in shown if path.suffix.lower() in _SUFFIXES)


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _part(path: Path, place: Path) -> _Part:
    names = list(place.with_suffix("").parts if path.is_file() else place.parts)
    for index in reversed(range(len(names))):
        words = {"depth" if word.lower() == "depth" else "rgb" for word in _WORD.findall(names[index])}
        if len(words) > 1:
            return _Part(path, place, place.parts, "both")
        if words:
            names[index] = _WORD.sub("", names[index]).strip(" _-.")
            return _Part(path, place, tuple(filter(None, names)), words.pop())
    return _Part(path, place, tuple(names), "depth" if path.suffix.lower() in _DEPTH_ALONE else "")


def _together(parts: Iterable[_Part]) -> Iterator[Recording]:
    """Yield the recordings that parts of one key are."""
    by_stream: dict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        by_stream[part.stream].append(part)
    depths, colors = by_stream["depth"], by_stream["rgb"] or by_stream[""]
    alone = by_stream["both"] + (by_stream[""] if by_stream["rgb"] else [])
    if len(colors) == len(depths) == 1:
        yield _recording(colors[0], depths[0])
    elif colors and depths:
        names = ", ".join(as_text(str(part.place)) for part in colors + depths)
        reason = f"{names}: it is not clear which are one recording; name them apart, or move some away"
        yield _recording(colors[0], depths[0], reason)
    else:
        alone += colors
        yield from (_recording(None, part) for part in depths)
    yield from (_recording(part, None) for part in alone)


def _recording(rgb: _Part | None, depth: _Part | None, unclear: str = "") -> Recording:
    return Recording(rgb.path if rgb else None, depth.path if depth else None, _name_of(rgb), _name_of(depth), unclear)


def _name_of(part: _Part | None) -> str:
    return as_text(part.place.as_posix()) if part else ""


def _state(path: Path) -> list[tuple[str, int, int]]:
    """Return name, size and time of each file; nothing where that cannot be told, which the client will say."""
    try:
        files = [(file.name, file.stat()) for file in (frames_in(path) if path.is_dir() else [path])]
    except OSError:
        return []
    return [(name, state.st_size, state.st_mtime_ns) for name, state in files]
