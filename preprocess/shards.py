"""Processed clips in WebDataset tar files: a few large files instead of millions of small ones.

A sample is a clip: <clip>.json, <clip>.000000.rgb.jpg, ..., <clip>.000000.depth.png, ... A worker writes the members of
its clip into a file of its own; the collecting process appends them to the open shard. What a killed run has appended
without recording it is cut off by the next, so that a record vouches for every byte.
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from preprocess.atomic import atomic_file
from preprocess.datasets import DatasetSpec, Stream
from preprocess.errors import DatasetError, reason_of
from preprocess.frames import Frame, encode_image
from preprocess.records import RECORDS_FILE, ClipRecord, ShardPlace, read_records
from preprocess.store import ClipWriter

SHARDS_FOLDER = "shards"
_MAX_SHARD_BYTES = 1_000_000_000  # as WebDataset's authors advise, about 400 clips
_TAR_END = bytes(2 * tarfile.BLOCKSIZE)
_CACHED_CLIPS = 256  # whose members' places a process remembers


class ShardStore:
    """Tar files below `root`/shards; `records` are those of earlier runs."""

    def __init__(
        self, root: Path, spec: DatasetSpec, records: Mapping[str, ClipRecord], max_shard_bytes: int = _MAX_SHARD_BYTES
    ) -> None:
        self._folder, self._spec, self._max_shard_bytes = root / SHARDS_FOLDER, spec, max_shard_bytes
        numbers = [int(path.stem.removeprefix("clips-")) for path in self._folder.glob("clips-[0-9]*.tar")]
        self._number = max(numbers, default=-1) + 1
        self._size = _cut_back(_open_path(self._folder, self._name), self._name, records)
        for part in (self._folder / ".parts").glob("**/*.tar"):  # of clips that no record vouches for
            part.unlink()

    @property
    def _name(self) -> str:
        return f"clips-{self._number:06d}.tar"

    def _part(self, clip: str) -> Path:
        return self._folder / ".parts" / f"{clip}.tar"

    @contextmanager
    def writer(self, clip: str, streams: Iterable[Stream]) -> Iterator[ClipWriter]:
        """Yield a writer of the clip's members; they wait in a file of their own to be collected."""
        with atomic_file(self._part(clip)) as temporary, temporary.open("wb") as file:
            yield _PartWriter(self._spec, clip, tuple(streams), file)

    def collect(self, record: ClipRecord) -> ClipRecord:
        """Append a clip's members to the open shard, a new one when it is full; return the record with its place."""
        if self._size >= self._max_shard_bytes:
            self.close()  # only now, when every clip of it is recorded
        start = self._size
        facts = record.model_dump(include={"clip", "label", "splits", "num_frames"})
        content = self._part(record.clip).read_bytes()
        with _open_path(self._folder, self._name).open("ab") as shard:
            shard.write(_member(f"{record.clip}.json", json.dumps(facts).encode()))
            shard.write(content)
            self._size = shard.tell()
        self._part(record.clip).unlink()
        return record.model_copy(update={"shard": ShardPlace(name=self._name, start=start, stop=self._size)})

    def holds(self, record: ClipRecord) -> bool:
        """Return whether the clip's bytes are there."""
        if record.shard is None:
            return False
        try:
            return find_shard(self._folder, record.shard.name).stat().st_size >= record.shard.stop
        except OSError:
            return False

    def close(self) -> None:
        """End the open shard, if there is anything in it, and give it its name."""
        path = _open_path(self._folder, self._name)
        if self._size:
            with path.open("ab") as shard:
                shard.write(_TAR_END)
            path.rename(self._folder / self._name)
            self._number, self._size = self._number + 1, 0


def _open_path(folder: Path, name: str) -> Path:
    return folder / f".{name}.tmp"


def find_shard(folder: Path, name: str) -> Path:
    """Return the file of a shard, which has another name while it is open."""
    return folder / name if (folder / name).exists() else _open_path(folder, name)


def _cut_back(path: Path, name: str, records: Mapping[str, ClipRecord]) -> int:
    """Cut an open shard behind the last clip that a record vouches for; return its size."""
    stops = [record.shard.stop for record in records.values() if record.shard and record.shard.name == name]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as shard:
        return shard.truncate(min(max(stops, default=0), shard.tell()))


def _member(name: str, content: bytes) -> bytes:
    """Return one member of a tar file; without a time or an owner, so that equal clips give equal bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info.tobuf(tarfile.PAX_FORMAT) + content + bytes(-len(content) % tarfile.BLOCKSIZE)


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

    def __init__(self, root: Path, spec: DatasetSpec) -> None:
        self._folder, self._spec = root / SHARDS_FOLDER, spec
        records = read_records(root / RECORDS_FILE)
        self._places = {record.clip: record.shard for record in records.values() if record.shard}

    def read(self, stream: Stream, clip: str, indices: Iterable[int]) -> Mapping[int, bytes]:
        """Return {index: image file content} of some frames of a clip; raises `DatasetError` for a missing one."""
        if clip not in self._places:
            raise DatasetError(f"{self._folder}: no record tells where the clip {clip} lies; preprocess it again")
        place = self._places[clip]
        path = find_shard(self._folder, place.name)
        try:
            members = _members(path, place.start, place.stop)
            with path.open("rb") as shard:
                names = {index: member_name(self._spec, stream, clip, index) for index in set(indices)}
                return {index: _content(shard, *members[name]) for index, name in names.items()}
        except (OSError, tarfile.TarError) as error:
            raise DatasetError(f"{path}: cannot be read ({reason_of(error)}); preprocess {clip} again") from error
        except KeyError as error:
            raise DatasetError(f"{path}: has no {error.args[0]}; preprocess the clip again") from error

    def name(self, stream: Stream, clip: str, index: int) -> str:
        """Return the shard and the member of one frame."""
        return f"{self._folder / self._places[clip].name}, {member_name(self._spec, stream, clip, index)}"


@lru_cache(maxsize=_CACHED_CLIPS)
def _members(path: Path, start: int, stop: int) -> dict[str, tuple[int, int]]:
    """Return {name: (first byte, length)} of the members of one clip."""
    with path.open("rb") as shard:
        shard.seek(start)
        found = {}
        with tarfile.open(fileobj=shard, mode="r:") as archive:
            while (member := archive.next()) is not None and member.offset < stop:
                found[member.name] = (member.offset_data, member.size)
    return found


def _content(shard: BinaryIO, start: int, length: int) -> bytes:
    shard.seek(start, io.SEEK_SET)
    return shard.read(length)
