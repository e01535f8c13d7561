"""Where processed clips are kept: workers write them, one process collects them, training reads them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from rgbd.dataset.layouts import DatasetSpec
from rgbd.dataset.records import ClipRecord
from rgbd.dataset.store import ClipWriter, with_write_errors
from rgbd.errors import MediaError, reason_of
from rgbd.files import atomic_folder
from rgbd.recording.stills.images import encode_image
from rgbd.types import Frame, Stream


class FolderStore:
    """The published layout: one folder for each stream of a clip, one file a frame."""

    def __init__(self, root: Path, spec: DatasetSpec) -> None:
        self._root, self._spec = root, spec

    def writer(self, clip: str, streams: Iterable[Stream]) -> AbstractContextManager[ClipWriter]:
        """Yield a writer of one temporary folder a stream; all are renamed when the block ends."""
        return with_write_errors(self._writer(clip, streams))

    @contextmanager
    def _writer(self, clip: str, streams: Iterable[Stream]) -> Iterator[ClipWriter]:
        finals = {stream: self._spec.frame_path(self._root, stream, clip, 0).parent for stream in streams}
        with ExitStack() as stack:
            folders = {stream: stack.enter_context(atomic_folder(final)) for stream, final in finals.items()}
            yield _FolderWriter(self._spec, clip, folders)

    def collect(self, record: ClipRecord, written: Collection[Stream]) -> ClipRecord:  # noqa: ARG002  a Store's
        """Return the record as it is: the worker left everything in its place."""
        return record

    def relabel(self, record: ClipRecord) -> ClipRecord:
        """Return the record as it is: frames say nothing of labels."""
        return record

    def holds(self, record: ClipRecord) -> bool:
        """Return whether first and last frame of every stream exist; folders are renamed whole, so that is enough."""
        return record.shard is None and all(
            self._spec.frame_path(self._root, stream, record.clip, index).exists()
            for stream in record.streams
            for index in (0, record.num_frames - 1)
        )

    def close(self) -> None:
        """Do nothing: there is nothing open."""


class _FolderWriter:
    def __init__(self, spec: DatasetSpec, clip: str, folders: dict[Stream, Path]) -> None:
        self._spec, self._clip, self._folders = spec, clip, folders
        self._counts: dict[Stream, int] = dict.fromkeys(folders, 0)

    def add(self, stream: Stream, image: Frame, *, jpeg_quality: int = 95) -> None:
        self.add_encoded(stream, encode_image(self._spec.suffix(stream), image, jpeg_quality=jpeg_quality))

    def add_encoded(self, stream: Stream, content: bytes) -> None:
        name = self._spec.frame_path(Path(), stream, self._clip, self._counts[stream]).name
        (self._folders[stream] / name).write_bytes(content)
        self._counts[stream] += 1


class FolderReader:
    """Reads the published layout."""

    def __init__(self, root: Path, spec: DatasetSpec) -> None:
        self._root, self._spec = root, spec

    def read(self, stream: Stream, clip: str, indices: Iterable[int]) -> Mapping[int, bytes]:
        """Return {index: the image file's content} of some frames of a clip; raises `MediaError` for a missing one."""
        return {index: self._read(self._spec.frame_path(self._root, stream, clip, index)) for index in set(indices)}

    def name(self, stream: Stream, clip: str, index: int) -> str:
        """Return the path of one frame."""
        return str(self._spec.frame_path(self._root, stream, clip, index))

    def holds(self, stream: Stream, clip: str, num_frames: int) -> bool:
        """Return whether the first and the last of so many frames are there."""
        return all(self._spec.frame_path(self._root, stream, clip, index).exists() for index in {0, num_frames - 1})

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise MediaError(f"{path}: cannot be read ({reason_of(error)}); preprocess the clip again") from error
