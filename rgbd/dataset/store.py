"""Where processed clips are kept: workers write them, one process collects them, training reads them."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from rgbd.dataset.records import ClipRecord
from rgbd.types import Frame, Stream

Format = Literal["folders", "shards"]


class ClipWriter(Protocol):
    """Takes the frames of one clip: each stream's in order, the streams in any order."""

    def add(self, stream: Stream, image: Frame, *, jpeg_quality: int = 95) -> None:
        """Keep the next frame of a stream: uint8 RGB [H, W, 3], or uint16 millimetres [H, W]."""

    def add_encoded(self, stream: Stream, content: bytes) -> None:
        """Keep the next frame of a stream, which is an image file's content already."""


class Store(Protocol):
    """A processed data set that is being made. Workers get a copy, of which they use `writer` alone."""

    def writer(self, clip: str, streams: Iterable[Stream]) -> AbstractContextManager[ClipWriter]:
        """Yield a writer; its frames are kept when the block ends, and vanish when the block raises."""

    def collect(self, record: ClipRecord, written: Collection[Stream]) -> ClipRecord:
        """Take in the streams that a worker wrote of a clip, and return the record to keep; for one process only.

        Other streams of the record are there from before.
        """

    def holds(self, record: ClipRecord) -> bool:
        """Return whether what the record says was written is there."""

    def close(self) -> None:
        """Finish what is open; no clip is collected after that."""


class ClipReader(Protocol):
    """A processed data set to read. It can be pickled, and read by any number of processes."""

    def read(self, stream: Stream, clip: str, indices: Iterable[int]) -> Mapping[int, bytes]:
        """Return {index: the image file's content} of some frames of a clip; raises `UserError` for a missing one."""

    def name(self, stream: Stream, clip: str, index: int) -> str:
        """Return what to call one frame in a message."""

    def holds(self, stream: Stream, clip: str, num_frames: int) -> bool:
        """Return whether a clip has so many frames of a stream, without reading them."""
