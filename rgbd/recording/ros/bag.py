"""Bags of ROS 1. Source: wiki.ros.org/Bags/Format/2.0."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rgbd.errors import MediaError
from rgbd.recording.ros.chunked import Chunk, ChunkedFile
from rgbd.recording.ros.container import BrokenError, Message, Place, plain_type

BAG_MAGIC = b"#ROSBAG V2"

_FIRST_RECORD = len(b"#ROSBAG V2.0\n")
_MESSAGE, _FILE_HEADER, _CHUNK, _CONNECTION = 2, 3, 5, 7
# Of the messages that are read here, by the sum that ROS makes of a definition; anybody may have another Image.
_DEFINITIONS = {
    "sensor_msgs/Image": b"060021388200f6f0f447d0fcd9c64743",
    "sensor_msgs/CompressedImage": b"8f7a12909da2c9d3332d540a0977563f",
    "sensor_msgs/CameraInfo": b"c9a58c1b0b154e0e6da7578cb991d214",
    "tf2_msgs/TFMessage": b"94810edda583a504dfda3829e70d7eec",
    "std_msgs/Float32": b"73fcbf46b49191e672908e50842a83d4",
    "geometry_msgs/Transform": b"ac9eff44abf714214112b05d54a3cf9b",
}
_IMAGE_FIELDS = [
    (b"Header", b"header"),
    (b"uint32", b"height"),
    (b"uint32", b"width"),
    (b"string", b"encoding"),
    (b"uint8", b"is_bigendian"),
    (b"uint32", b"step"),
    (b"uint8[]", b"data"),
]
_MAX_HEADER_BYTES = 1 << 20
_LENGTH, _TIME = struct.Struct("<I"), struct.Struct("<II")


class _Record(NamedTuple):
    """A record: its header's fields, and where its data lie; is_whole: whether they all do."""

    fields: dict[bytes, bytes]
    begin: int
    start: int
    num_bytes: int
    is_whole: bool

    @property
    def kind(self) -> int:
        return self.fields.get(b"op", b"\0")[0]

    def number(self, name: bytes) -> int:
        return int.from_bytes(self.fields.get(name, b""), "little")


class Bag(ChunkedFile):
    """An open bag, a `Container`."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._connections: dict[int, tuple[str, str]] = {}

    def messages(self) -> Iterator[Message]:
        """Yield the messages, in the order of the file."""
        yield from self._messages_between(self._file, _FIRST_RECORD, self._size, self._broken, None)

    def _messages_between(
        self, source: BinaryIO, start: int, end: int, broken: list[int], chunk: int | None
    ) -> Iterator[Message]:
        for record in _records(source, start, end, broken):
            try:
                if record.kind == _CHUNK and source is self._file:
                    yield from self._messages_of_chunk(record.begin)
                elif record.kind == _FILE_HEADER:
                    self._check_header(record)
                elif record.kind == _MESSAGE and record.is_whole:
                    yield self._message(record, chunk)
                elif record.kind == _CONNECTION:
                    self._add_connection(source, record)
            except BrokenError:
                broken.append(record.begin)

    def _check_header(self, record: _Record) -> None:
        if record.fields.get(b"encryptor"):
            raise MediaError(f"{self._path}: the bag is encrypted; decrypt it with rosbag decrypt")
        self._is_ended = 0 < record.number(b"index_pos") <= self._size

    def _add_connection(self, source: BinaryIO, record: _Record) -> None:
        """Take note of a connection, which is what a topic and its type are told by."""
        source.seek(record.start)
        described = _fields(source.read(min(record.num_bytes, _MAX_HEADER_BYTES)))
        topic = record.fields.get(b"topic", b"").decode(errors="replace")
        type_name, definition = described.get(b"type", b"").decode(errors="replace"), described.get(b"md5sum", b"*")
        if definition not in (_DEFINITIONS.get(type_name, definition), b"*") and not _begins_as_an_image(described):
            type_name = f"{type_name} of another definition than ROS's"
        self._connections[record.number(b"conn")] = (topic, plain_type(type_name))

    def _message(self, record: _Record, chunk: int | None) -> Message:
        names, time = self._connections.get(record.number(b"conn")), record.fields.get(b"time", b"")
        if names is None or len(time) != _TIME.size:
            raise BrokenError("a message of no topic")
        seconds, nanoseconds = _TIME.unpack(time)
        self._num_messages += 1
        place = Place(record.start, record.num_bytes, chunk)
        return Message(*names, False, seconds * 10**9 + nanoseconds, place)

    def _describe_chunk(self, begin: int) -> Chunk:
        record = next(_records(self._file, begin, self._size, []), None)
        if record is None or record.kind != _CHUNK:
            raise BrokenError("a chunk is no longer there")
        packing = record.fields.get(b"compression", b"").decode(errors="replace")
        return Chunk(packing.removesuffix("none"), record.number(b"size"), record.start, record.num_bytes)


def _begins_as_an_image(described: dict[bytes, bytes]) -> bool:
    """Return whether a connection has images with more fields behind those of ROS, as Orbbec's recorder writes them."""
    lines = (line.partition(b"#")[0].split() for line in described.get(b"message_definition", b"").split(b"\n"))
    fields = [(kind.removeprefix(b"std_msgs/"), name) for kind, name, *_ in filter(lambda line: len(line) > 1, lines)]
    return described.get(b"type") == b"sensor_msgs/Image" and fields[: len(_IMAGE_FIELDS)] == _IMAGE_FIELDS


def _records(file: BinaryIO, start: int, end: int, broken: list[int]) -> Iterator[_Record]:
    """Yield the records between these bytes; where one does not hold together, stop, and add the place to `broken`."""
    place = start
    while place < end:
        try:
            file.seek(place)
            header = file.read(_length(file.read(_LENGTH.size), _MAX_HEADER_BYTES))
            fields, num_bytes = _fields(header), _length(file.read(_LENGTH.size))
        except BrokenError:
            broken.append(place)
            return
        data = place + 2 * _LENGTH.size + len(header)
        is_whole = data + num_bytes <= end
        yield _Record(fields, place, data, min(num_bytes, max(0, end - data)), is_whole)
        if not is_whole:
            broken.append(place)
        place = data + num_bytes


def _fields(data: bytes) -> dict[bytes, bytes]:
    """Return {name: value} of a header; raises `BrokenError` for anything else."""
    fields, place = {}, 0
    while place < len(data):
        num_bytes = _length(data[place : place + _LENGTH.size])
        field = data[place + _LENGTH.size : place + _LENGTH.size + num_bytes]
        name, separator, value = field.partition(b"=")
        if len(field) < num_bytes or not separator:
            raise BrokenError("a header does not hold together")
        fields[name] = value
        place += _LENGTH.size + num_bytes
    return fields


def _length(data: bytes, most: int = 1 << 32) -> int:
    if len(data) < _LENGTH.size:
        raise BrokenError("it breaks off")
    (length,) = _LENGTH.unpack(data)
    if length > most:
        raise BrokenError(f"a header has {length} bytes")
    return int(length)
