"""MCAP, in which ROS 2 records. Source: mcap.dev/spec."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rgbd.recording.ros.chunked import Chunk, ChunkedFile
from rgbd.recording.ros.container import BrokenError, Message, Place, plain_type

MCAP_MAGIC = b"\x89MCAP0\r\n"

_FOOTER, _SCHEMA, _CHANNEL, _MESSAGE, _CHUNK = 2, 3, 4, 5, 6
_RECORD, _MESSAGE_HEAD, _CHUNK_HEAD = struct.Struct("<BQ"), struct.Struct("<HIQQ"), struct.Struct("<QQQII")
_MAX_TEXT, _MAX_PACKING = 1 << 20, 32  # of a description; of what a packing is called


class _Record(NamedTuple):
    """A record, and where its data lie; is_whole: whether they all do."""

    kind: int
    begin: int
    start: int
    num_bytes: int
    is_whole: bool


class Mcap(ChunkedFile):
    """An open MCAP file, a `Container`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, tuple[str, str, bool]] = {}

    def messages(self) -> Iterator[Message]:
        """Yield the messages, in the order of the file."""
        yield from self._messages_between(self._file, len(MCAP_MAGIC), self._size, self._broken, None)

    def _messages_between(
        self, source: BinaryIO, start: int, end: int, broken: list[int], chunk: int | None
    ) -> Iterator[Message]:
        for record in _records(source, start, end, broken):
            try:
                if record.kind == _CHUNK and source is self._file:
                    yield from self._messages_of_chunk(record.begin)
                elif record.kind == _FOOTER:
                    self._is_ended = True
                    return
                elif record.kind == _MESSAGE and record.is_whole:
                    yield self._message(source, record, chunk)
                elif record.kind in (_SCHEMA, _CHANNEL):
                    self._add_channel(source, record)
            except (BrokenError, struct.error):
                broken.append(record.begin)

    def _add_channel(self, source: BinaryIO, record: _Record) -> None:
        """Take note of a channel, which names a topic, or of a schema, which names its type."""
        source.seek(record.start)
        data = source.read(min(record.num_bytes, _MAX_TEXT))
        if record.kind == _SCHEMA:
            (number,) = struct.unpack_from("<H", data)
            self._schemas[number] = plain_type(_texts(data, 2, 1)[0])
        else:
            number, schema = struct.unpack_from("<HH", data)
            topic, packing = _texts(data, 4, 2)
            self._channels[number] = (topic, self._schemas.get(schema, ""), packing == "cdr")

    def _message(self, source: BinaryIO, record: _Record, chunk: int | None) -> Message:
        source.seek(record.start)
        channel, _, time_ns, _ = _MESSAGE_HEAD.unpack(source.read(min(record.num_bytes, _MESSAGE_HEAD.size)))
        if channel not in self._channels:
            raise BrokenError("a message of no channel")
        self._num_messages += 1
        place = Place(record.start + _MESSAGE_HEAD.size, record.num_bytes - _MESSAGE_HEAD.size, chunk)
        return Message(*self._channels[channel], time_ns, place)

    def _describe_chunk(self, begin: int) -> Chunk:
        record = next(_records(self._file, begin, self._size, []), None)
        if record is None or record.kind != _CHUNK:
            raise BrokenError("a chunk is no longer there")
        self._file.seek(record.start)
        head = self._file.read(_CHUNK_HEAD.size)
        if len(head) < _CHUNK_HEAD.size:
            raise BrokenError("a chunk breaks off")
        _, _, num_bytes, checksum, num_letters = _CHUNK_HEAD.unpack(head)
        rest = self._file.read(min(num_letters, _MAX_PACKING) + 8)
        if num_letters > _MAX_PACKING or len(rest) < num_letters + 8:
            raise BrokenError("a chunk does not hold together")
        start = record.start + len(head) + len(rest)
        num_packed = min(int.from_bytes(rest[num_letters:], "little"), record.start + record.num_bytes - start)
        return Chunk(rest[:num_letters].decode(errors="replace"), num_bytes, start, num_packed, checksum)


def _texts(data: bytes, place: int, count: int) -> list[str]:
    """Return the texts that follow each other there, each behind its length."""
    found = []
    for _ in range(count):
        (num_bytes,) = struct.unpack_from("<I", data, place)
        if place + 4 + num_bytes > len(data):
            raise BrokenError("a text breaks off")
        found.append(data[place + 4 : place + 4 + num_bytes].decode(errors="replace"))
        place += 4 + num_bytes
    return found


def _records(file: BinaryIO, start: int, end: int, broken: list[int]) -> Iterator[_Record]:
    """Yield the records between these bytes; where one breaks off, add the place to `broken`."""
    place = start
    while place < end:
        file.seek(place)
        head = file.read(min(_RECORD.size, end - place))
        if len(head) < _RECORD.size:
            broken.append(place)
            return
        kind, num_bytes = _RECORD.unpack(head)
        if kind == 0:  # no record has this number: zeros of a file that was not written to its end
            broken.append(place)
            return
        data = place + len(head)
        is_whole = data + num_bytes <= end
        if not is_whole:
            broken.append(place)
        yield _Record(kind, place, data, min(num_bytes, end - data), is_whole)
        place = data + num_bytes
