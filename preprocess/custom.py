"""`python -m preprocess.custom`: your own recordings, named in a manifest -> what training reads."""

import argparse
import csv
import difflib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.dataset import ClipJob, Found
from preprocess.pipeline.options import command_parser
from rgbd.dataset.layouts import CUSTOM, Split
from rgbd.dataset.records import ClipRecord
from rgbd.errors import ConfigError, DatasetError, reason_of
from rgbd.files import split_lines
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.recording.formats import FILE_FORMATS, open_stream
from rgbd.recording.recording import Recording
from rgbd.terminal import run_command
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
    """The usable rows, by clip, the records of the others, and the recordings that any of them names."""

    rows: Mapping[str, Row]
    refused: list[ClipRecord]
    recordings: list[Path]


def read_manifest(path: Path) -> Manifest:
    """Return what a manifest says: a row or a record with the reason for every line.

    Raises `DatasetError` when the file cannot be read, has no rows, or has a column that is not known.
    """
    rows: dict[str, Row] = {}
    places: dict[str, str] = {}
    refused: dict[str, str] = {}
    recordings: list[Path] = []
    for number, values in _lines(path):
        recordings += [path.parent / str(values[stream]) for stream in ("rgb", "depth") if values.get(stream)]
        place = f"line {number}"
        clip = str(values.get("clip") or place)
        if clip in places:
            rows.pop(clip, None)
            refused[clip] = f"is named twice, in {places[clip]} and {place}; every recording needs a name of its own"
            continue
        places[clip] = place
        try:
            rows[clip] = Row.model_validate({name: value for name, value in values.items() if value not in ("", None)})
            _check_paths(rows[clip], path.parent)
        except (ValidationError, DatasetError) as error:
            rows.pop(clip, None)
            refused[clip] = f"{place} of {path}: {_in_words(error)}"
    if not places:
        raise DatasetError(f"{path}: names no recordings; see --help for what it should hold")
    records = [ClipRecord(clip=clip, status="failed", reason=why) for clip, why in refused.items()]
    return Manifest(rows, records, recordings)


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
    for path in (row.rgb, row.depth):
        if path is not None and not (folder / path).exists():
            raise DatasetError(f"{folder / path} does not exist; paths are relative to the manifest")


def _in_words(error: ValidationError | DatasetError) -> str:
    if isinstance(error, DatasetError):
        return str(error)
    parts = []
    for problem in error.errors():
        where = ".".join(map(str, problem["loc"]))
        found = f", found {problem['input']!r}" if where else ""
        parts.append(f"{where}: {problem['msg']}{found}" if where else problem["msg"].removeprefix("Value error, "))
    return "; ".join(parts)


def _class_names(rows: Mapping[str, Row]) -> tuple[str, ...]:
    """Return the names by index: in alphabetical order, or made up where the manifest has numbers."""
    names = {row.class_name for row in rows.values() if row.class_name is not None}
    labels = [row.label for row in rows.values() if row.label is not None]
    if names and labels:
        raise ConfigError("the manifest gives some recordings a label and others a class; choose one of the columns")
    return tuple(sorted(names)) or tuple(f"class {label}" for label in range(max(labels, default=-1) + 1))


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
        class_names = _class_names(manifest.rows)
        if not manifest.rows:
            reasons = "\n  ".join(f"{record.clip}: {record.reason}" for record in manifest.refused[:10])
            raise DatasetError(f"{path}: names no recording that can be used:\n  {reasons}")
        return Found(
            raw=path.parent,
            class_names=class_names,
            jobs=[_job(row, class_names, path.parent) for row in manifest.rows.values()],
            refused=manifest.refused,
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
    label = row.label if row.class_name is None else class_names.index(row.class_name)
    present: tuple[tuple[Stream, str | None], ...] = (("rgb", row.rgb), ("depth", row.depth))
    streams = tuple(stream for stream, path in present if path)
    return CustomJob(row.clip, label or 0, {"": row.split}, None, streams, row, folder)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some recordings failed."""
    return run_dataset(CustomDataset(), arguments)


if __name__ == "__main__":
    run_command(main)
