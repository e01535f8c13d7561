"""What became of every recording: one line of `records.jsonl` each, written as soon as the recording is finished."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError, field_validator

from rgbd.camera.registration import RegistrationSource
from rgbd.clip.alignment import AlignedBy
from rgbd.dataset.layouts import Split
from rgbd.errors import DatasetError, reason_of
from rgbd.files import atomic_file
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskSource
from rgbd.types import Box, Size, Stream

RECORDS_FILE = "records.jsonl"

# Of a depth frame, the mean over a clip. A person five metres away covers 3 % of what a Kinect sees, and 1 % of what a
# camera of 120 degrees sees: with less than this, masks have kept scraps, or somebody who is there for a moment only.
MIN_MASK_COVERAGE = 0.001


class ShardPlace(BaseModel):
    """Where a clip lies in a data set of tar files: bytes `start` to `stop` of the file `name`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    start: int
    stop: int


SourceName = Literal["rgb", "depth", "masked_depth", "skeleton"]
"""What of a recording a clip may be made from."""


class SourceFile(BaseModel):
    """A file or folder that a clip is made from.

    path: relative to the folder of raw recordings. start, stop: the first frame that is meant, and the first that is
    not, where not all are. track: what the file calls the stream that is meant. unit_mm, camera: how many millimetres
    one unit of depth is, and which camera's it is. Each where the list says it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    start: int | None = None
    stop: int | None = None
    track: str | None = None
    unit_mm: float | None = None
    camera: str | None = None

    def __str__(self) -> str:
        frames = "" if self.stop is None else f", frames {self.start} to {self.stop}"
        track = "" if self.track is None else f", track {self.track}"
        unit = "" if self.unit_mm is None else f", {self.unit_mm:g} mm a unit"
        camera = "" if self.camera is None else f", camera {self.camera}"
        return f"{self.path}{frames}{track}{unit}{camera}"


class ClipRecord(BaseModel):
    """What became of one recording.

    splits: which half of each protocol the clip belongs to, such as {"CS": "train", "CV": "valid"}; of a finished clip
    that the list names no longer there are none, and it has no label.
    streams: what was written, `num_frames` of each. duration_s: how long that is; None where nobody knows times.
    rgb_frames_in, depth_frames_in: how many the raw streams have.
    aligned_by: how frames of both were brought together: by "time", or by "index" where a stream knows no times; None
    where there is but one.
    box_color_px, box_depth_px: the one box of the clip in the pixels of either camera; None where every frame has its
    own. Boxes of depth may reach beyond its frame. color_size, depth_size: width, height of the raw frames; of depth
    that was registered by calibration, those of what was drawn anew.
    mask_source: where the bodies were found, or who took the rest out before: official, the data set's makers; given,
    those who recorded it; None where depth was not masked. depth_camera: by whose field of view they were searched in
    depth alone. mask_coverage: the mean share of a raw depth frame that the
    masks keep. empty_masks: how many frames show no body.
    shard: where the clip lies in a data set of tar files; None in one of folders.
    last_failure: why the last attempt to do a finished clip again, or to add a stream to it, failed; what was finished
    before is as it was. outdated: the settings that the clip was made with, where they are the data set's no longer.
    made_from: what was read, to be compared with the list of a later run; nothing where an earlier version has made it.
    Everything after `reason` may be missing where the recording failed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    clip: str
    status: Literal["done", "failed"]
    reason: str | None = None
    label: int | None = None
    splits: dict[str, Split] = {}
    camera: str | None = None
    streams: tuple[Stream, ...] = ()
    num_frames: int = 0
    duration_s: PositiveFloat | None = None
    rgb_frames_in: int | None = None
    depth_frames_in: int | None = None
    aligned_by: AlignedBy | None = None
    color_size: Size | None = None
    depth_size: Size | None = None
    roi: RoiMode | None = None
    box_color_px: Box | None = None
    box_depth_px: Box | None = None
    registration: RegistrationSource | None = None
    mask_source: MaskSource | None = None
    depth_camera: str | None = None
    mask_coverage: float | None = None
    empty_masks: int | None = None
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    shard: ShardPlace | None = None
    last_failure: str | None = None
    outdated: dict[str, str] | None = None
    made_from: dict[SourceName, SourceFile] = {}

    @field_validator("clip", "reason", "last_failure", mode="before")
    @classmethod
    def _printable(cls, text: str | None) -> str | None:
        return None if text is None else printable(text)

    def failed_again(self, attempt: "ClipRecord") -> "ClipRecord":
        """Return the record of a finished clip that stays as it was, with the reason why another attempt failed."""
        return self.model_copy(update={"last_failure": attempt.reason})

    @property
    def is_finished(self) -> bool:
        """Whether frames were written that show something; earlier versions took clips without anybody for done."""
        return self.status == "done" and (self.mask_coverage is None or self.mask_coverage >= MIN_MASK_COVERAGE)

    @property
    def is_to_do(self) -> bool:
        """Whether the clip is to be tried, or tried again."""
        return not self.is_finished or self.last_failure is not None or self.outdated is not None


def printable(text: str) -> str:
    """Return a text with a mark where a file's name is no UTF-8, and could not be written down."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def read_records(path: Path) -> dict[str, ClipRecord]:
    """Return {clip: record}, the last one of each clip; nothing where there is no such file.

    A last line without its end, left by a process that was killed while it wrote, does not count.
    Raises `DatasetError`, naming file and line, for any other line that is not a record.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as records ({reason_of(error)}); check the file") from error
    records = {}
    # Not splitlines: reasons may have characters at which that would cut. What follows the last end is torn, or empty.
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            record = ClipRecord.model_validate_json(line)
        except ValidationError as error:
            remedy = "remove the line to have its clip done again"
            raise DatasetError(f"{path}, line {number}: is not a record; {remedy}") from error
        records[record.clip] = record
    return records


class Journal:
    """The records of a data set while it is being made: on the disk as soon as they are added, sorted when closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records = read_records(path)
        self._write_all()  # without a torn last line, which the next one would continue

    def add(self, record: ClipRecord) -> None:
        """Keep a record, in place of what was known of its clip."""
        self.records[record.clip] = record
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{record.model_dump_json(exclude_none=True)}\n")
            file.flush()
            os.fsync(file.fileno())

    def amend(self, changed: Mapping[str, ClipRecord], gone: Collection[str]) -> None:
        """Keep other records of some clips, and none of others, all at once."""
        if changed or gone:
            self.records.update(changed)
            for clip in gone:
                del self.records[clip]
            self._write_all()

    def outdate(self, settings: dict[str, str]) -> None:
        """Take note that all clips that are done were made with these settings, and others are wanted now."""
        for clip, record in self.records.items():
            if record.status == "done" and record.outdated is None:
                self.records[clip] = record.model_copy(update={"outdated": settings})
        self._write_all()

    def close(self) -> None:
        """Sort the records by clip, one line each."""
        self._write_all()

    def _write_all(self) -> None:
        lines = [f"{self.records[clip].model_dump_json(exclude_none=True)}\n" for clip in sorted(self.records)]
        with atomic_file(self._path) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
