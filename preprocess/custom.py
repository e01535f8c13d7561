"""`python -m preprocess.custom`: your own recordings, named in a manifest -> what training reads."""

import argparse
import csv
import difflib
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.dataset import ClipJob, Found
from preprocess.pipeline.options import command_parser
from preprocess.pipeline.sources import source_path
from rgbd.dataset.layouts import CUSTOM, Split
from rgbd.dataset.records import ClipRecord, SourceFile, SourceName
from rgbd.errors import ConfigError, DatasetError, reason_of
from rgbd.files import split_lines
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.recording.formats import FILE_FORMATS, open_stream
from rgbd.recording.recording import Recording
from rgbd.terminal import run_command, say
from rgbd.types import Stream

_HELP = f"""The manifest is a CSV file with a line of column names, or a JSONL file with one object a line:

  clip            a name of your own for the recording, unique; no spaces
  rgb             the colour stream: a folder of JPEG or PNG frames in the order of their names, or a file:
                  {FILE_FORMATS}; an array is uint8 [frames, height, width, 3]
  depth           the depth stream, 16 bits and lossless: the same with PNG, or video of grey (FFV1); an array
                  is uint16 [frames, height, width]
  depth_scale_mm  how many millimetres one unit of depth is (default: 1)
  fps, depth_fps  frames a second of files that know no times, images and arrays: of all, and of depth where it
                  differs
  label           the class, as a whole number from 0 ...
  class           ... or by its name; one of both columns, the same throughout
  split           train, valid or test

Paths are relative to the manifest. One of rgb and depth may be empty. For example:

  clip,rgb,depth,depth_scale_mm,class,split
  anna-01,anna/01.mp4,anna/01_depth,1,wave,train

Both cameras should see the same part of the room; if their pictures differ in shape,
the whole of one is laid over the whole of the other."""


# More classes than any data set of motions that is published has; beyond them, numbers are a mistake or no labels.
_MAX_SPARSE_CLASSES = 1000


class Row(BaseModel):
    """One recording of the manifest; paths are as they stand there."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, str_strip_whitespace=True)

    clip: str = Field(pattern=r"^[^\s/\\.][^\s/\\]*$")
    rgb: str | None = None
    depth: str | None = None
    depth_scale_mm: float = Field(1.0, gt=0, allow_inf_nan=False)
    fps: float | None = Field(None, gt=0, allow_inf_nan=False)
    depth_fps: float | None = Field(None, gt=0, allow_inf_nan=False)
    label: int | None = Field(None, ge=0)
    class_name: str | None = Field(None, alias="class", pattern=r"^[^\r\n]+$")  # each is a line of class_names.txt
    split: Split

    @model_validator(mode="after")
    def _complete(self) -> "Row":
        if self.rgb is None and self.depth is None:
            raise ValueError("one of rgb and depth is needed")
        if (self.label is None) == (self.class_name is None):
            raise ValueError("either a label or a class is needed, not both")
        return self


@dataclass(frozen=True)
class CustomJob(ClipJob):
    """A recording of the manifest that lies in `folder`."""

    row: Row
    folder: Path


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
        recordings += [path.parent / str(values[stream]) for stream in ("rgb", "depth") if values.get(stream)]
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
        except (ValidationError, DatasetError) as error:
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
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(known)}"
            raise DatasetError(f"{path}: the column {name!r} is not known; {hint}")
    return values


def _check_paths(row: Row, folder: Path) -> None:
    for path in (folder / name for name in (row.rgb, row.depth) if name is not None):
        try:
            is_there = path.exists()
        except OSError as error:
            raise DatasetError(f"{path}: cannot be read ({reason_of(error)}); check its permissions") from error
        if not is_there:
            raise DatasetError(f"{path} does not exist; paths are relative to the manifest")


def _in_words(error: ValidationError | DatasetError) -> str:
    if isinstance(error, DatasetError):
        return str(error)
    parts = []
    for problem in error.errors():
        where = ".".join(map(str, problem["loc"]))
        found = f", found {problem['input']!r}" if where else ""
        parts.append(f"{where}: {problem['msg']}{found}" if where else problem["msg"].removeprefix("Value error, "))
    return "; ".join(parts)


def _class_names(path: Path, manifest: Manifest) -> tuple[str, ...]:
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


class CustomDataset:
    """Recordings that a manifest names."""

    layout = CUSTOM
    default_roi: RoiMode = "clip"
    default_masks_note = "body"

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser with --manifest."""
        parser = command_parser("custom", "Bring your own recordings into the layout that training reads.", _HELP)
        parser.add_argument(
            "--manifest", type=Path, required=True, metavar="FILE", help="a CSV or JSONL file; see below"
        )
        return parser

    def find(self, options: argparse.Namespace) -> Found[CustomJob]:
        """Return the rows of the manifest."""
        path: Path = options.manifest
        manifest = read_manifest(path)
        if not manifest.rows:
            reasons = "\n  ".join(f"{record.clip}: {record.reason}" for record in manifest.refused[:10])
            raise DatasetError(f"{path}: names no recording that can be used:\n  {reasons}")
        class_names = _class_names(path, manifest)
        return Found(
            raw=path.parent,
            class_names=class_names,
            jobs=[_job(row, class_names, path.parent) for row in manifest.rows.values()],
            refused=[_with_identity(record, manifest.valid, class_names) for record in manifest.refused],
            inputs=with_links([path, *manifest.recordings]),
            default_masks="body",
        )

    def open(self, job: CustomJob) -> Recording:
        """Open the recording of a row."""
        row = job.row
        return Recording(
            row.clip,
            rgb=open_stream(job.folder / row.rgb, "rgb", job.limits) if row.rgb else None,
            depth=open_stream(job.folder / row.depth, "depth", job.limits) if row.depth else None,
            depth_unit_mm=row.depth_scale_mm,
            fps={"rgb": row.fps, "depth": row.depth_fps or row.fps},
        )


def _job(row: Row, class_names: tuple[str, ...], folder: Path) -> CustomJob:
    made_from: dict[SourceName, SourceFile] = {}
    if row.rgb:
        made_from["rgb"] = SourceFile(path=source_path(folder / row.rgb, folder))
    if row.depth:
        made_from["depth"] = SourceFile(path=source_path(folder / row.depth, folder), unit_mm=row.depth_scale_mm)
    streams = tuple(stream for stream in get_args(Stream) if stream in made_from)
    label, splits = _label(row, class_names), {"": row.split}
    return CustomJob(row.clip, label, splits, None, streams, row, folder, made_from=made_from)


def _with_identity(record: ClipRecord, valid: Mapping[str, Row], class_names: tuple[str, ...]) -> ClipRecord:
    """Return the record of a row that is of no use with what the row says nevertheless."""
    row = valid.get(record.clip)
    if row is None:
        return record
    return record.model_copy(update={"label": _label(row, class_names), "splits": {"": row.split}})


def _label(row: Row, class_names: tuple[str, ...]) -> int:
    return class_names.index(row.class_name) if row.class_name is not None else row.label or 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some recordings failed."""
    return run_dataset(CustomDataset(), arguments)


if __name__ == "__main__":
    run_command(main)
