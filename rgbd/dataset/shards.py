"""Processed clips in WebDataset tar files: a few large files instead of millions of small ones.

A sample is a clip: <clip>.json, <clip>.000000.rgb.jpg, ..., <clip>.000000.depth.png, ... A worker writes the members of
its clip into a file of its own; the collecting process appends them to the open shard, whose name is hidden. Every byte
of a finished shard belongs to a record: what a killed run has appended without recording it is cut off, and what lies
between recorded clips, because a clip was done again, is blanked out.
"""

import json
import re
import shutil
import tarfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from io import FileIO
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from rgbd.dataset.layouts import DatasetSpec
from rgbd.dataset.records import ClipRecord, ShardPlace
from rgbd.dataset.store import ClipWriter, with_write_errors
from rgbd.errors import DatasetError, reason_of
from rgbd.files import atomic_file
from rgbd.recording.stills.images import encode_image
from rgbd.types import Frame, Stream

SHARDS_FOLDER = "shards"
_PARTS_FOLDER = ".parts"
_MAX_SHARD_BYTES = 1_000_000_000  # as WebDataset's authors advise, about 400 clips
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_TAR_END = bytes(2 * _BLOCK)
_BLANK = "__removed__"  # readers of WebDataset skip members whose names have this form
_CACHED_CLIPS = 256  # whose members' places a process remembers


class ShardStore:
    """Tar files below `root`/shards; `records` is the journal's mapping, which grows with every clip it takes in."""

    def __init__(
        self, root: Path, spec: DatasetSpec, records: Mapping[str, ClipRecord], max_shard_bytes: int = _MAX_SHARD_BYTES
    ) -> None:
        self._folder, self._spec, self._max_shard_bytes = root / SHARDS_FOLDER, spec, max_shard_bytes
        self._records = records
        # A finished shard that no record mentions was not left by a killed run, whose shard is still called open.
        self._ours = set(_places(records))
        self.close()  # what a killed run left
        self._number, self._size = next_shard_number(self._folder, records), 0

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_records": {}}  # workers do not need them, and one is sent with every clip

    @property
    def _name(self) -> str:
        return shard_name(self._number)

    def _part(self, clip: str) -> Path:
        return self._folder / _PARTS_FOLDER / f"{clip}.tar"

    def writer(self, clip: str, streams: Iterable[Stream]) -> AbstractContextManager[ClipWriter]:
        """Yield a writer of the clip's members; they wait in a file of their own to be collected.

        Raises `DatasetError` for a clip that could not be told from others in a tar file.
        """
        if "." in PurePosixPath(clip).name:
            raise DatasetError(f"{clip!r}: a sample's name ends at its first dot; name it without, or write folders")
        return with_write_errors(self._writer(clip, streams))

    @contextmanager
    def _writer(self, clip: str, streams: Iterable[Stream]) -> Iterator[ClipWriter]:
        with atomic_file(self._part(clip)) as temporary, temporary.open("wb") as file:
            yield _PartWriter(self._spec, clip, tuple(streams), file)

    def collect(self, record: ClipRecord, written: Collection[Stream]) -> ClipRecord:
        """Append a clip's members to the open shard, a new one when it is full; return the record with its place.

        Streams of the record that are there already are repeated beside those that were `written`, because a sample
        has all of its members together. The old ones are blanked out when the records no longer name them.
        """
        there = [stream for stream in record.streams if stream not in written]
        with self._part(record.clip).open("rb") as part:
            frames = chain(self._kept_frames(record.clip, there), iter(lambda: part.read(_CHUNK), b""))
            kept = self._append(record, frames)
        self._part(record.clip).unlink()
        return kept

    def relabel(self, record: ClipRecord) -> ClipRecord:
        """Write a clip's facts anew where they stand, or the whole clip where they need more room than that.

        A clip that got another place is to be recorded before anything else is done.
        """
        if record.shard is None or not self.holds(record):
            return record  # it will be done again
        path, name, facts = find_shard(self._folder, record.shard.name), f"{record.clip}.json", _facts(record)
        first, length = _members(path, record.shard.start, record.shard.stop)[name]
        room = _next_block(first + length) - first
        if len(facts) > room:
            return self._append(record, self._kept_frames(record.clip, record.streams))
        least = room - _BLOCK + 1  # or a block would belong to nothing; spaces may stand behind JSON
        with path.open("r+b") as shard:
            shard.seek(first - _BLOCK)
            shard.write(_member(name, facts.ljust(least))[-room - _BLOCK :])
        return record

    def _append(self, record: ClipRecord, frames: Iterable[bytes]) -> ClipRecord:
        """Append a clip to the open shard; return its record with the place."""
        if self._size >= self._max_shard_bytes:
            self._tidy()  # only now, when every clip of it is recorded
            self._number, self._size = self._number + 1, 0
        with _open_path(self._folder, self._name).open("ab") as shard:
            shard.write(_member(f"{record.clip}.json", _facts(record)))
            shard.writelines(frames)
            start, self._size = self._size, shard.tell()
        self._ours.add(self._name)
        return record.model_copy(update={"shard": ShardPlace(name=self._name, start=start, stop=self._size)})

    def _kept_frames(self, clip: str, streams: Iterable[Stream]) -> Iterator[bytes]:
        """Yield the members of some streams that a clip has, as they lie."""
        for stream in streams:
            place = self._records[clip].shard
            assert place is not None  # or the record would not have the stream
            yield from _frames(find_shard(self._folder, place.name), place, stream)

    def holds(self, record: ClipRecord) -> bool:
        """Return whether the clip's bytes are there."""
        if record.shard is None:
            return False
        try:
            return find_shard(self._folder, record.shard.name).stat().st_size >= record.shard.stop
        except OSError:
            return False

    def close(self) -> None:
        """End the open shard, if there is one, and remove from all of them what belongs to no record."""
        self._tidy()
        shutil.rmtree(self._folder / _PARTS_FOLDER, ignore_errors=True)

    def _tidy(self) -> None:
        places = _places(self._records)
        for path in (self._folder / name for name in self._ours):
            if path.exists() and not _keep_only(path, places[path.name]):
                path.unlink()  # all of its clips were done again
        for path in self._folder.glob(".clips-*.tar.tmp"):
            name = path.name.removeprefix(".").removesuffix(".tmp")
            if _keep_only(path, places[name]):
                path.rename(self._folder / name)
            else:
                path.unlink()


def shard_name(number: int) -> str:
    """Return what the file of a shard is called; numbers count from 0."""
    return f"clips-{number:06d}.tar"


def next_shard_number(folder: Path, records: Mapping[str, ClipRecord]) -> int:
    """Return the number of the next shard in a folder of shards.

    A name that records mention is not used again, even when its file is gone: they would name other clips' bytes.
    """
    names = {path.name for path in folder.glob("clips-*.tar")} | _places(records).keys()
    numbers = (int(match[1]) for name in names if (match := re.fullmatch(r"clips-(\d+)\.tar", name)))
    return max(numbers, default=-1) + 1


def _open_path(folder: Path, name: str) -> Path:
    return folder / f".{name}.tmp"


def find_shard(folder: Path, name: str) -> Path:
    """Return the file of a shard, which has another name while it is open."""
    return folder / name if (folder / name).exists() else _open_path(folder, name)


def _places(records: Mapping[str, ClipRecord]) -> defaultdict[str, list[ShardPlace]]:
    """Return the places that records name, by the name of the shard."""
    places = defaultdict(list)
    for record in records.values():
        if record.shard is not None:
            places[record.shard.name].append(record.shard)
    return places


def _keep_only(path: Path, places: Iterable[ShardPlace]) -> bool:
    """End a shard behind the last clip that a place names and blank out what lies between; return if any is left."""
    size, stop, gaps = path.stat().st_size, 0, []
    for place in sorted(places, key=lambda place: place.start):
        if place.stop <= size:  # else the file is not what it was when the record was written
            if place.start > stop:
                gaps.append((stop, place.start))
            stop = place.stop
    if gaps or size != stop + len(_TAR_END):
        with path.open("r+b") as shard:
            for start, end in gaps:
                shard.seek(start)
                shard.write(_header(_BLANK, end - start - _BLOCK))
            shard.truncate(stop)
            shard.seek(stop)
            shard.write(_TAR_END)
    return stop > 0


def _header(name: str, size: int) -> bytes:
    """Return the header of a member; without a time or an owner, so that equal clips give equal bytes."""
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT)


def _facts(record: ClipRecord) -> bytes:
    """Return what a sample says of its clip."""
    return json.dumps(record.model_dump(include={"clip", "label", "splits", "num_frames"})).encode()


def _member(name: str, content: bytes) -> bytes:
    return _header(name, len(content)) + content + bytes(-len(content) % _BLOCK)


class _PartWriter:
    def __init__(self, spec: DatasetSpec, clip: str, streams: tuple[Stream, ...], file: BinaryIO) -> None:
        self._spec, self._clip, self._file = spec, clip, file
        self._counts: dict[Stream, int] = dict.fromkeys(streams, 0)

    def add(self, stream: Stream, image: Frame, *, jpeg_quality: int = 95) -> None:
        self.add_encoded(stream, encode_image(self._spec.suffix(stream), image, jpeg_quality=jpeg_quality))

    def add_encoded(self, stream: Stream, content: bytes) -> None:
        self._file.write(_member(member_name(self._spec, stream, self._clip, self._counts[stream]), content))
        self._counts[stream] += 1


def member_name(spec: DatasetSpec, stream: Stream, clip: str, index: int) -> str:
    """Return the name, in a shard, of frame `index` of a stream; frames count from 0 in any data set."""
    return f"{clip}.{index:06d}.{stream}{spec.suffix(stream)}"


class ShardReader:
    """Reads single frames out of shards by the places that the records name."""

    def __init__(self, root: Path, spec: DatasetSpec, records: Mapping[str, ClipRecord]) -> None:
        self._folder, self._spec = root / SHARDS_FOLDER, spec
        self._places = {record.clip: record.shard for record in records.values() if record.shard}
        self._lengths = {record.clip: (record.streams, record.num_frames) for record in records.values()}

    def read(self, stream: Stream, clip: str, indices: Iterable[int]) -> Mapping[int, bytes]:
        """Return {index: image file content} of some frames of a clip; raises `DatasetError` for a missing one."""
        place = self._places.get(clip)
        if place is None:
            raise DatasetError(f"{self._folder}: no record tells where the clip {clip} lies; preprocess it again")
        path = find_shard(self._folder, place.name)
        try:
            members = _members(path, place.start, place.stop)
            with path.open("rb", buffering=0) as shard:
                names = {index: member_name(self._spec, stream, clip, index) for index in set(indices)}
                return {index: _read_at(shard, *members[name]) for index, name in names.items()}
        except (OSError, ValueError) as error:
            raise DatasetError(f"{path}: cannot be read ({reason_of(error)}); preprocess {clip} again") from error
        except KeyError as error:
            raise DatasetError(f"{path}: has no {error.args[0]}; preprocess the clip again") from error

    def name(self, stream: Stream, clip: str, index: int) -> str:
        """Return the shard and the member of one frame."""
        return f"{self._folder / self._places[clip].name}, {member_name(self._spec, stream, clip, index)}"

    def holds(self, stream: Stream, clip: str, num_frames: int) -> bool:
        """Return whether the clip's record says so, and its shard is there."""
        streams, length = self._lengths.get(clip, ((), 0))
        place = self._places.get(clip)
        if place is None or stream not in streams or num_frames > length:
            return False
        return find_shard(self._folder, place.name).exists()


@lru_cache(maxsize=_CACHED_CLIPS)
def _members(path: Path, start: int, stop: int) -> dict[str, tuple[int, int]]:
    """Return {name: (first byte, length)} of the members of one clip; raises `ValueError` where it finds none.

    `tarfile` would need nine times as long for this, as much as it takes to decode a dozen frames.
    """
    members = {}
    long_name = None
    with path.open("rb", buffering=0) as shard:
        while start < stop:
            header = _read_at(shard, start, _BLOCK)
            if header[257:262] != b"ustar":  # all these places are the tar format's
                raise ValueError(f"no file begins at byte {start}")
            first, length = start + _BLOCK, int(header[124:135], 8)
            if header[156:157] == b"x":  # not a member, but the name of the next, which is long or not ASCII
                long_name = re.search(rb"(?s)\d+ path=(.+)\n", _read_at(shard, first, length))
            else:
                name = long_name[1] if long_name else header[:100].rstrip(b"\0")
                members[name.decode()] = (first, length)
                long_name = None
            start = _next_block(first + length)
    return members


def _frames(path: Path, place: ShardPlace, stream: Stream) -> Iterator[bytes]:
    """Yield the members of one stream of a clip as they lie in a shard."""
    with path.open("rb", buffering=0) as shard:
        for name, (first, length) in _members(path, place.start, place.stop).items():
            if PurePosixPath(name).suffixes[-2:-1] == [f".{stream}"]:
                yield _member(name, _read_at(shard, first, length))


def _next_block(position: int) -> int:
    return position + -position % _BLOCK


def _read_at(shard: BinaryIO | FileIO, start: int, length: int) -> bytes:
    shard.seek(start)
    content = shard.read(length)
    if len(content) != length:
        raise ValueError(f"it breaks off after {start + len(content)} bytes")
    return content
