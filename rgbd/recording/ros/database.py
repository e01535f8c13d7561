"""Bags of ROS 2 as SQLite databases. Source: rosbag2_storage_sqlite3.

A database is code as much as data: only tables are read, by fixed statements, and nothing is written beside it.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from rgbd.errors import MediaError
from rgbd.recording.ros.container import Message, Place, plain_type

SQLITE_MAGIC = b"SQLite format 3\0"

_MAX_BYTES = 256 << 20  # of a message, and of whatever else SQLite makes
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# Tables have pages of their own; views, and tables of which code makes the rows, have none.
_TABLES = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name IN ('topics', 'messages')"
_TOPICS = "SELECT id, name, type, serialization_format FROM topics LIMIT 10000"
_MESSAGES = "SELECT rowid, topic_id, timestamp, length(data) FROM messages NOT INDEXED"


class Database:
    """An open database of messages, a `Container`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._num_messages, self._num_odd, self._break = 0, 0, ""
        # Immutable: SQLite writes nothing beside it, and does not wait for anybody.
        self._database = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
        self._database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
        self._database.execute("PRAGMA trusted_schema = OFF")
        # SQLite refuses a database that was cut unless its schema may be changed; nothing is written nevertheless.
        self._database.execute("PRAGMA writable_schema = ON")

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @property
    def damage(self) -> tuple[str, ...]:
        """What is missing or broken."""
        found = []
        if self._break:
            found.append(f"is damaged ({self._break}); {self._num_messages} messages could be read")
        if self._num_odd:
            found.append(f"has {self._num_odd} messages that are damaged")
        log = self._path.with_name(self._path.name + "-wal")
        if log.exists() and log.stat().st_size:
            found.append(f"was not closed: {log.name} holds messages that it does not; open it with sqlite3 once")
        return tuple(found)

    def messages(self) -> Iterator[Message]:
        """Yield the messages, in the order of the rows."""
        try:
            if self._database.execute(_TABLES).fetchone() != (2,):
                raise MediaError(f"{self._path}: is a database, but none of ROS 2: it has no topics and messages")
            topics = {number: texts for number, *texts in self._database.execute(_TOPICS)}
            for row, number, time_ns, num_bytes in self._database.execute(_MESSAGES):
                name, type_name, packing = map(str, topics.get(number, ("", "", "")))
                if not name or not isinstance(time_ns, int) or not isinstance(num_bytes, int):
                    self._num_odd += 1
                    continue
                self._num_messages += 1
                yield Message(name, plain_type(type_name), packing == "cdr", time_ns, Place(row, num_bytes))
        except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
            self._break = str(error)

    def read(self, place: Place, num_bytes: int | None = None) -> bytes:
        """Return a message, or its first bytes."""
        try:
            with self._database.blobopen("messages", "data", place.start, readonly=True) as blob:
                data = blob.read(len(blob) if num_bytes is None else min(num_bytes, len(blob)))
        except (sqlite3.Error, OverflowError) as error:
            raise MediaError(f"{self._path}: message {place.start} cannot be read ({error}); copy it again") from error
        if data.startswith(_ZSTD_MAGIC):
            raise MediaError(f"{self._path}: its messages are compressed one by one; ros2 bag convert unpacks them")
        return data
