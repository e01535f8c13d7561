"""What files of records have in common, of which some are chunks of packed records."""

import io
from abc import ABC, abstractmethod
from binascii import crc32
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from rgbd.errors import MediaError, TooLargeError, reason_of
from rgbd.recording.archive import is_bomb
from rgbd.recording.ros.container import BrokenError, Message, Place
from rgbd.recording.ros.packing import unpack


class Chunk(NamedTuple):
    """A chunk: how it is packed ("" for not), to how many bytes it unpacks, and where the packed ones lie.

    checksum: CRC-32 of the unpacked ones; 0 where it has none.
    """

    packing: str
    num_bytes: int
    start: int
    num_packed: int
    checksum: int = 0


class ChunkedFile(ABC):
    """An open file, walked from record to record: its index is not used, since recorders that were killed write none.

    Of its subclasses' chunks, the last one that was unpacked stays in memory.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file, self._size = path, path.open("rb"), path.stat().st_size
        self._broken: list[int] = []
        self._num_messages = self._num_unpacked = 0
        self._is_ended = False
        self._unpacked: tuple[int, bytes] = (-1, b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def damage(self) -> tuple[str, ...]:
        """What is missing or broken."""
        if self._broken:
            places, num_places = f"byte {self._broken[0]}", len(self._broken)
            if num_places > 1:
                places = f"{num_places} places, the first at {places}"
            return (f"is cut or damaged at {places}; {self._num_messages} messages could be read",)
        if not self._is_ended:
            return (f"was not recorded to its end, or is cut; it has {self._num_messages} messages",)
        return ()

    def read(self, place: Place, num_bytes: int | None = None) -> bytes:
        """Return a message, or its first bytes."""
        wanted = place.num_bytes if num_bytes is None else min(num_bytes, place.num_bytes)
        try:
            if place.chunk is not None:
                return self._chunk_at(place.chunk)[place.start : place.start + wanted]
            self._file.seek(place.start)
            return self._file.read(wanted)
        except (OSError, BrokenError) as error:
            raise MediaError(f"{self._path}: cannot be read ({reason_of(error)}); copy it again") from error

    @abstractmethod
    def _describe_chunk(self, begin: int) -> Chunk:
        """Return what the chunk whose record begins there says of itself; raises `BrokenError` where it is none."""

    @abstractmethod
    def _messages_between(
        self, source: BinaryIO, start: int, end: int, broken: list[int], chunk: int | None
    ) -> Iterator[Message]:
        """Yield the messages among the records between these bytes; places that are broken go into `broken`.

        chunk: where the record of the chunk begins that they were packed into.
        """

    def _messages_of_chunk(self, begin: int) -> Iterator[Message]:
        """Yield the messages of the chunk whose record begins there."""
        broken: list[int] = []
        try:
            chunk = self._describe_chunk(begin)
            if not chunk.packing:
                yield from self._messages_between(
                    self._file, chunk.start, chunk.start + chunk.num_packed, self._broken, None
                )
                return
            data = self._chunk_at(begin)
        except BrokenError:
            self._broken.append(begin)
            return
        self._check_unpacked(len(data))
        yield from self._messages_between(io.BytesIO(data), 0, len(data), broken, begin)
        if broken or len(data) < chunk.num_bytes:
            self._broken.append(begin)

    def _check_unpacked(self, num_bytes: int) -> None:
        self._num_unpacked += num_bytes
        if is_bomb(self._num_unpacked, self._size):
            raise TooLargeError(f"{self._path}: unpacks to {self._num_unpacked >> 20} MiB, far more than a recording")

    def _chunk_at(self, begin: int) -> bytes:
        if self._unpacked[0] != begin:
            self._unpacked = (-1, b"")
            chunk = self._describe_chunk(begin)
            self._file.seek(chunk.start)
            packed = self._file.read(chunk.num_packed)
            data = unpack(packed, chunk.packing, chunk.num_bytes, str(self._path))
            if chunk.checksum and len(data) == chunk.num_bytes and crc32(data) != chunk.checksum:
                raise BrokenError("a chunk has another checksum than it should")
            self._unpacked = (begin, data)
        return self._unpacked[1]
