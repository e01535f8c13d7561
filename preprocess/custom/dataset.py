"""The recordings that a manifest names, as a data set."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocess.custom.manifest import MANIFEST_HELP, Row, class_names_of, read_manifest
from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.dataset import ClipJob, Found
from preprocess.pipeline.options import command_parser
from preprocess.pipeline.sources import source_path
from rgbd.dataset.layouts import CUSTOM
from rgbd.dataset.records import ClipRecord, SourceFile, SourceName
from rgbd.errors import DatasetError, MediaError
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.recording.formats import open_files
from rgbd.recording.recording import Recording, recording_of
from rgbd.recording.streams import StreamReader
from rgbd.types import Stream


@dataclass(frozen=True)
class CustomJob(ClipJob):
    """A recording of the manifest that lies in `folder`."""

    row: Row
    folder: Path


class CustomDataset:
    """Recordings that a manifest names."""

    layout = CUSTOM
    default_roi: RoiMode = "clip"
    default_masks_note = "body"

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser with --manifest."""
        parser = command_parser(
            "custom", "Bring your own recordings into the layout that training reads.", MANIFEST_HELP
        )
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
        class_names = class_names_of(path, manifest)
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
        row, streams = job.row, _open_streams(job)
        return recording_of(
            row.clip,
            streams,
            depth_scale_mm=row.depth_scale_mm,
            depth_camera=row.depth_camera(streams["depth"].size) if "depth" in streams else None,
            fps={"rgb": row.fps, "depth": row.depth_fps or row.fps},
        )


def _open_streams(job: CustomJob) -> dict[Stream, StreamReader]:
    """Open the streams of a row; raises `MediaError` where one is missing."""
    files = {stream: job.folder / path for stream, path in job.row.files.items()}
    found = open_files(files, job.limits, job.row.tracks)
    if missing := [stream for stream in files if stream not in found]:
        raise MediaError(
            f"{files[missing[0]]}: holds no {' and no '.join(missing)}; name it in the column of what it holds"
        )
    return found


def _job(row: Row, class_names: tuple[str, ...], folder: Path) -> CustomJob:
    made_from: dict[SourceName, SourceFile] = {}
    for stream, path in row.files.items():
        of_depth: dict[str, Any] = (
            {"unit_mm": row.unit_as_told, "camera": row.camera_as_told} if stream == "depth" else {}
        )
        made_from[stream] = SourceFile(
            path=source_path(folder / path, folder), track=row.tracks.get(stream), **of_depth
        )
    label, splits = _label(row, class_names), {"": row.split}
    return CustomJob(row.clip, label, splits, None, tuple(row.files), row, folder, made_from=made_from)


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
