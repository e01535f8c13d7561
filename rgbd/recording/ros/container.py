"""What a file of ROS messages gives, whatever its format is."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol


class BrokenError(Exception):
    """Bytes do not hold together; whoever reads them goes on behind them, or stops, and counts."""


class Place(NamedTuple):
    """Where the bytes of a message lie: in the file, or in the packed chunk whose record begins at `chunk`.

    In a database, `start` is the number of the row.
    """

    start: int
    num_bytes: int
    chunk: int | None = None


class Message(NamedTuple):
    """One message; type: such as sensor_msgs/Image, in ROS 1 and 2; time_ns: when it was recorded."""

    topic: str
    type: str
    is_cdr: bool  # as ROS 2 packs them
    time_ns: int
    place: Place


class Container(AbstractContextManager["Container"], Protocol):
    """An open file of messages."""

    def messages(self) -> Iterator[Message]:
        """Yield what can be found, in the order of the file; nothing is read but what is needed to find it."""

    def read(self, place: Place, num_bytes: int | None = None) -> bytes:
        """Return the bytes of a message, or so many of the first; fewer where the file has lost some.

        Raises `MediaError` where they cannot be read.
        """

    @property
    def damage(self) -> tuple[str, ...]:
        """What is missing or broken, in words; known when all messages have been found."""


def plain_type(name: str) -> str:
    """Return a message's type as ROS 1 calls it."""
    return name.replace("/msg/", "/")
