"""The manifest that names own recordings: a row for each, what is wrong with others, and the classes."""

import csv
import io
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.sensors import SENSOR_NAMES, camera_as_told, find_sensor
from rgbd.dataset.layouts import Split
from rgbd.dataset.records import ClipRecord
from rgbd.errors import ConfigError, DatasetError, UserError, reason_of
from rgbd.files import split_lines
from rgbd.nearest_name import nearest_name
from rgbd.recording.formats import FILE_FORMATS
from rgbd.recording.stills.image_files import IMAGE_FILES
from rgbd.terminal import say
from rgbd.types import Size, Stream

_COLUMNS = {
    "clip": "a name of your own for the recording, unique; no spaces",
    "rgb": f"the colour stream: a folder of {IMAGE_FILES} frames in the order of their names, or a file: "
    f"{FILE_FORMATS}; an array is uint8 [frames, height, width, 3]",
    "depth": "the depth stream, lossless, of 16 bits or of floating-point metres: the same, but for JPEG, or video of "
    "grey (FFV1); an array is [frames, height, width], uint16 or floating point",
    "recording": "instead of rgb and depth: one file, or folder, that holds both, such as a camera's own",
    "rgb_track": "of a file with several streams of colour: the name of the one that is meant, such as a topic of ROS",
    "depth_track": "the same for depth",
    "depth_scale_mm": "how many millimetres one unit of depth is (default: as the file says, or else 1)",
    "camera": "the depth camera, by whose field of view people are found: "
    f"{', '.join(SENSOR_NAMES)} (default: what the file says, or the likeliest with frames of this size)",
    "fx, fy, cx, cy": "instead of camera: focal length and centre of depth in pixels, from calibration; fx is enough",
    "fps, depth_fps": "frames a second of files that know no times, images and arrays: of all, and of depth where it "
    "differs",
    "label": "the class, as a whole number from 0 ...",
    "class": "... or by its name; one of both columns, the same throughout",
    "split": "train, valid or test",
}
_WIDTH = 80  # of a terminal


def _described(name: str, text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=f"  {name:<16}", subsequent_indent=" " * 18)


_DESCRIPTIONS = "\n".join(_described(*column) for column in _COLUMNS.items())
MANIFEST_HELP = f"""The manifest is a CSV file with a line of column names, or a JSONL file with one
object a line:

{_DESCRIPTIONS}

Paths are relative to the manifest. One of rgb and depth may be empty. For example:

  clip,rgb,depth,depth_scale_mm,class,split
  anna-01,anna/01.mp4,anna/01_depth,1,wave,train

Both cameras should see the same part of the room: one frame is laid over the
other, but for a Kinect v2's, of which it is known how they lie."""

# More classes than any data set of motions that is published has; beyond them, numbers are a mistake or no labels.
_MAX_SPARSE_CLASSES = 1000


class Row(BaseModel):
    """One recording of the manifest; paths are as they stand there."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, str_strip_whitespace=True)

    clip: str = Field(pattern=r"^[^\s/\\.][^\s/\\]*$")
    rgb: str | None = None
    depth: str | None = None
    recording: str | None = None
    rgb_track: str | None = None
    depth_track: str | None = None
    depth_scale_mm: float | None = Field(None, gt=0, allow_inf_nan=False)
    camera: str | None = None
    fx: float | None = Field(None, gt=0, allow_inf_nan=False)
    fy: float | None = Field(None, gt=0, allow_inf_nan=False)
    cx: float | None = Field(None, allow_inf_nan=False)
    cy: float | None = Field(None, allow_inf_nan=False)
    fps: float | None = Field(None, gt=0, allow_inf_nan=False)
    depth_fps: float | None = Field(None, gt=0, allow_inf_nan=False)
    label: int | None = Field(None, ge=0)
    class_name: str | None = Field(None, alias="class", pattern=r"^[^\r\n]+$")  # each is a line of class_names.txt
    split: Split

    @model_validator(mode="after")
    def _complete(self) -> "Row":
        if self.recording is not None and (self.rgb is not None or self.depth is not None):
            raise ValueError("either a recording of both streams, or rgb and depth")
        if not self.files:
            raise ValueError("one of rgb and depth is needed, or a recording of both")
        if (self.label is None) == (self.class_name is None):
            raise ValueError("either a label or a class is needed, not both")
        calibration = [value for value in (self.fx, self.fy, self.cx, self.cy) if value is not None]
        if calibration and (self.camera is not None or self.fx is None):
            raise ValueError("depth has either a camera, or fx and, where they are known, fy, cx and cy")
        return self

    @property
    def files(self) -> dict[Stream, str]:
        """The files or folders of the streams that there are."""
        told: dict[Stream, str | None] = {"rgb": self.recording or self.rgb, "depth": self.recording or self.depth}
        return {stream: path for stream, path in told.items() if path is not None}

    @property
    def tracks(self) -> dict[Stream, str]:
        """The names of tracks by stream, as far as they are given."""
        told: dict[Stream, str | None] = {"rgb": self.rgb_track, "depth": self.depth_track}
        return {stream: name for stream, name in told.items() if name is not None}

    @field_validator("camera")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return None if name is None else find_sensor(name).name

    def depth_camera(self, size: Size) -> DepthCamera | None:
        """Return the camera of depth frames of this (width, height), as far as the row tells it."""
        return camera_as_told(size, self.camera, self.fx, self.fy, self.cx, self.cy)

    @property
    def unit_as_told(self) -> float:
        """What the row says of depth's unit in millimetres; 1 where it says nothing, as records always had it."""
        return 1.0 if self.depth_scale_mm is None else self.depth_scale_mm

    @property
    def camera_as_told(self) -> str | None:
        """What the row says of the depth camera, in words."""
        calibration = {name: getattr(self, name) for name in ("fx", "fy", "cx", "cy")}
        told = [f"{name} {value:g}" for name, value in calibration.items() if value is not None]
        return self.camera or " ".join(told) or None


@dataclass(frozen=True)
class Manifest:
    """The usable rows, by clip, why others are of no use, and the recordings and classes that any of them names.

    valid: of the others, those of which only a recording is missing.
    """

    rows: Mapping[str, Row]
    reasons: Mapping[str, str]
    valid: Mapping[str, Row]
    recordings: list[Path]
    classes: frozenset[str]

    @property
    def refused(self) -> list[ClipRecord]:
        """The records of the rows that are of no use."""
        return [ClipRecord(clip=clip, status="failed", reason=reason) for clip, reason in self.reasons.items()]


def read_manifest(path: Path) -> Manifest:
    """Return what a manifest says: a row or a record with the reason for every line.

    Raises `DatasetError` when the file cannot be read, has no rows, or has a column that is not known.
    """
    rows: dict[str, Row] = {}
    places: dict[str, str] = {}
    reasons: dict[str, str] = {}
    recordings: list[Path] = []
    classes: set[str] = set()
    for number, values in _lines(path):
        recordings += [
            path.parent / str(values[column]) for column in ("rgb", "depth", "recording") if values.get(column)
        ]
        classes |= _class_of(values)
        place = f"line {number}"
        clip = str(values.get("clip") or place)
        if clip in places:
            rows.pop(clip, None)
            reasons[clip] = f"is named twice, in {places[clip]} and {place}; every recording needs a name of its own"
            continue
        places[clip] = place
        try:
            rows[clip] = Row.model_validate({name: value for name, value in values.items() if value not in ("", None)})
            _check_paths(rows[clip], path.parent)
        except (ValidationError, UserError) as error:
            reasons[clip] = f"{place} of {path}: {_in_words(error)}"
    if not places:
        raise DatasetError(f"{path}: names no recordings; see --help for what it should hold")
    return Manifest(
        rows={clip: row for clip, row in rows.items() if clip not in reasons},
        reasons=reasons,
        valid={clip: row for clip, row in rows.items() if clip in reasons},
        recordings=recordings,
        classes=frozenset(classes),
    )


def _class_of(values: Mapping[str, Any]) -> set[str]:
    """Return the class that a row names, also where the row is of no use for another reason."""
    name = values.get("class")
    return {name.strip()} if isinstance(name, str) and re.fullmatch(r"\s*\S[^\r\n]*", name) else set()


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each line and its values by column."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets write a mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as a manifest ({reason_of(error)}); save it as UTF-8") from error
    if path.suffix == ".jsonl":
        for number, line in enumerate(split_lines(text), start=1):
            if line.strip():
                yield number, _checked(_parse_json(path, number, line), path)
        return
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="more values than columns")
    for values in reader:
        yield reader.line_num, _checked(values, path)


def _parse_json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise DatasetError(f"{path}, line {number}: is not JSON ({error}); correct it") from error
    if not isinstance(values, dict):
        raise DatasetError(f'{path}, line {number}: expected an object such as {{"clip": ...}}, found {line[:80]!r}')
    return values


def _checked(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the values; raises `DatasetError` for a column that is not known, with the nearest name that is."""
    known = [field.alias or name for name, field in Row.model_fields.items()]
    for name in values:
        if name not in known:
            near = nearest_name(str(name), known)
            hint = f"did you mean {near!r}?" if near else f"the columns are {', '.join(known)}"
            raise DatasetError(f"{path}: the column {name!r} is not known; {hint}")
    return values


def _check_paths(row: Row, folder: Path) -> None:
    for path in (folder / name for name in row.files.values()):
        try:
            is_there = path.exists()
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read ({reason_of(error)}); check its permissions") from error
        if not is_there:
            raise DatasetError(f"{path} does not exist; paths are relative to the manifest")


def _in_words(error: ValidationError | UserError) -> str:
    if isinstance(error, UserError):
        return str(error)
    parts = []
    for problem in error.errors():
        where = ".".join(map(str, problem["loc"]))
        found = f", found {problem['input']!r}" if where else ""
        parts.append(f"{where}: {problem['msg']}{found}" if where else problem["msg"].removeprefix("Value error, "))
    return "; ".join(parts)


def class_names_of(path: Path, manifest: Manifest) -> tuple[str, ...]:
    """Return the names by index: in alphabetical order, or made up where the manifest has numbers.

    Classes of rows that are of no use count, too: labels stay as they are when these are corrected.
    """
    rows = {**manifest.rows, **manifest.valid}
    labels = {row.label: clip for clip, row in rows.items() if row.label is not None}
    if not labels:
        return tuple(sorted(manifest.classes))
    if any(row.class_name is not None for row in rows.values()):
        raise ConfigError("the manifest gives some recordings a label and others a class; choose one of the columns")
    num_classes = max(labels) + 1
    if num_classes > _MAX_SPARSE_CLASSES and num_classes > 2 * len(labels):
        raise DatasetError(
            f"{path}: {labels[num_classes - 1]} has the label {num_classes - 1}, so that there would be {num_classes} "
            f"classes, of which {len(labels)} have a recording; labels count from 0 without gaps: correct it, or name "
            "classes in a column class instead"
        )
    if num_classes > len(labels):
        unused = sorted(set(range(num_classes)) - labels.keys())
        say(
            f"{path}: labels go up to {num_classes - 1}, and {len(unused)} of them, such as {unused[0]}, have no "
            f"recording; they are classes nevertheless"
        )
    return tuple(f"class {label}" for label in range(num_classes))
