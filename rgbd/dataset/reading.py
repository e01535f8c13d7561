"""Frames of a processed data set, whatever it is kept in."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from rgbd.dataset.folders import FolderReader
from rgbd.dataset.layouts import DatasetSpec
from rgbd.dataset.records import RECORDS_FILE, ClipRecord, read_records
from rgbd.dataset.shards import SHARDS_FOLDER, ShardReader
from rgbd.dataset.store import ClipReader
from rgbd.recording.stills.images import decode_image
from rgbd.types import Frame, Stream


def open_clips(root: Path, spec: DatasetSpec, records: Mapping[str, ClipRecord] | None = None) -> ClipReader:
    """Return a reader of the data set at `root`: of its tar files where it has some, else of its folders.

    `records` are those of the clips to read, all of `root`'s records.jsonl if None. Raises `DatasetError` where that
    cannot be read.
    """
    if not (root / SHARDS_FOLDER).is_dir():
        return FolderReader(root, spec)
    return ShardReader(root, spec, read_records(root / RECORDS_FILE) if records is None else records)


def read_frames(reader: ClipReader, stream: Stream, clip: str, indices: Iterable[int]) -> list[Frame]:
    """Return the frames of these indices, in their order; each is decoded once, however often it is asked for.

    Raises `UserError` for a frame that is missing or broken.
    """
    indices = [int(index) for index in indices]
    files = reader.read(stream, clip, indices)
    frames = {index: decode_image(content, reader.name(stream, clip, index)) for index, content in files.items()}
    return [frames[index] for index in indices]
