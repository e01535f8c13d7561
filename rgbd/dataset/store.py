"""Where processed clips are kept: workers write them, one process collects them, training reads them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

from rgbd.dataset.records import ClipRecord
from rgbd.types import Frame, Stream

Format = Literal["folders", "shards"]


class WriteError(OSError):
    """The file system refuses what is written; other errors of its are about what is read."""


class ClipWriter(Protocol):
    """Takes the frames of one clip: each stream's in order, the streams in any order."""

    def add(self, stream: Stream, image: Frame, *, jpeg_quality: int = 95) -> None:
        """Keep the next frame of a stream: uint8 RGB [H, W, 3], or uint16 millimetres [H, W]."""

    def add_encoded(self, stream: Stream, content: bytes) -> None:
        """Keep the next frame of a stream, which is an image file's content already."""


class Store(Protocol):
    """A processed data set that is being made. Workers get a copy, of which they use `writer` alone."""

    def writer(self, clip: str, streams: Iterable[Stream]) -> AbstractContextManager[ClipWriter]:
        """Yield a writer; its frames are kept when the block ends, and vanish when the block raises.

        Raises `WriteError` where the file system refuses what is written, in the block or at its ends.
        """

    def collect(self, record: ClipRecord, written: Collection[Stream]) -> ClipRecord:
        """Take in the streams that a worker wrote of a clip, and return the record to keep; for one process only.

        Other streams of the record are there from before.
        """

    def relabel(self, record: ClipRecord) -> ClipRecord:
        """Take in another label or other splits of a clip whose frames stay; return the record to keep."""

    def holds(self, record: ClipRecord) -> bool:
        """Return whether what the record says was written is there."""

    def close(self) -> None:
        """Finish what is open; no clip is collected after that."""


@contextmanager
def with_write_errors(opening: AbstractContextManager[ClipWriter]) -> Iterator[ClipWriter]:
    """Yield the writer that `opening` yields; what the file system refuses it is raised as `WriteError`."""
    in_block: BaseException | None = None
    try:
        with opening as writer:
            try:
                yield _NamingWriter(writer)
            except BaseException as error:
                in_block = error
                raise
    except OSError as error:
        if error is in_block:
            raise
        raise _write_error(error) from error


class _NamingWriter:
    """A writer whose errors can be told from those of a reader."""

    def __init__(self, writer: ClipWriter) -> None:
        self._writer = writer

    def add(self, stream: Stream, image: Frame, *, jpeg_quality: int = 95) -> None:
        try:
            self._writer.add(stream, image, jpeg_quality=jpeg_quality)
        except OSError as error:
            raise _write_error(error) from error

    def add_encoded(self, stream: Stream, content: bytes) -> None:
        try:
            self._writer.add_encoded(stream, content)
        except OSError as error:
            raise _write_error(error) from error


def _write_error(error: OSError) -> WriteError:
    return WriteError(error.errno, error.strerror, error.filename)


class ClipReader(Protocol):
    """A processed data set to read. It can be pickled, and read by any number of processes."""

    def read(self, stream: Stream, clip: str, indices: Iterable[int]) -> Mapping[int, bytes]:
        """Return {index: the image file's content} of some frames of a clip; raises `UserError` for a missing one."""

    def name(self, stream: Stream, clip: str, index: int) -> str:
        """Return what to call one frame in a message."""

    def holds(self, stream: Stream, clip: str, num_frames: int) -> bool:
        """Return whether a clip has so many frames of a stream, without reading them."""
