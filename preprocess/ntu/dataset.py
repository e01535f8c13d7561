"""NTU RGB+D's raw recordings: what there is of them, and which clips can be tried.

Source: docs/method.md, "NTU RGB+D".
"""

import argparse
from functools import partial
from pathlib import Path
from typing import get_args

from preprocess.ntu.names import parse_clip_name, protocol_splits
from preprocess.ntu.recording import (
    DEPTH_FOLDER,
    MASKED_FOLDER,
    RGB_FOLDER,
    RGB_SUFFIX,
    SKELETON_FOLDER,
    NtuJob,
    open_recording,
)
from preprocess.ntu.registrations import with_registrations
from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.dataset import Found
from preprocess.pipeline.options import dataset_parser
from rgbd.dataset.layouts import NTU
from rgbd.dataset.records import ClipRecord
from rgbd.dataset.splits import CLASS_NAMES_FILE, read_class_names
from rgbd.errors import DatasetError
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskMode
from rgbd.recording.recording import Recording
from rgbd.types import Stream

_LAYOUT = f"""any of
  {RGB_FOLDER}/<clip>{RGB_SUFFIX}
  {DEPTH_FOLDER}/<clip>/Depth-%08d.png
      16-bit millimetres, numbered from 1
  {MASKED_FOLDER}/<clip>/MDepth-%08d.png
      the official masks
  {SKELETON_FOLDER}/<clip>.skeleton
      makes masks and boxes better, and registers depth to colour
  {CLASS_NAMES_FILE}
      line k names action k, if they are not NTU's own
where <clip> is SsssCcccPpppRrrrAaaa, such as S001C002P003R002A013"""


class NtuDataset:
    """NTU RGB+D 60 and 120."""

    layout = NTU
    default_roi: RoiMode = "clip"
    default_masks_note = "official where such masks exist, which are used then; else body"

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser with --raw and --streams."""
        parser = dataset_parser(
            "ntu", "Turn raw NTU RGB+D recordings into cropped frames, masked depth, split files and records.", _LAYOUT
        )
        parser.add_argument(
            "--streams", choices=get_args(Stream), nargs="+", help="write only these (default: all that there are)"
        )
        return parser

    def find(self, options: argparse.Namespace) -> Found[NtuJob]:
        """Return the clips of which colour or depth exists, by name."""
        raw: Path = options.raw
        present = find_streams(raw)
        class_names = read_class_names(raw) or NTU.class_names
        default_masks: MaskMode = "official" if (raw / MASKED_FOLDER).is_dir() else "body"
        jobs, refused = _make_jobs(present, len(class_names), options, default_masks)
        return Found(
            raw=raw,
            class_names=class_names,
            jobs=jobs,
            refused=refused,
            inputs=with_links(
                [raw, *(raw / name for name in (RGB_FOLDER, DEPTH_FOLDER, MASKED_FOLDER, SKELETON_FOLDER))]
            ),
            default_masks=default_masks,
            complete=partial(with_registrations, raw=raw, num_workers=options.jobs),
        )

    def open(self, job: NtuJob) -> Recording:
        """Open the recording of a job."""
        return open_recording(job)


def find_streams(raw: Path) -> dict[str, tuple[Stream, ...]]:
    """Return {clip: its streams} for all recordings of which colour or depth exists below `raw`, sorted.

    Raises `DatasetError`, saying what was expected, when there is none.
    """
    videos = {path.name.removesuffix(RGB_SUFFIX) for path in raw.glob(f"{RGB_FOLDER}/*{RGB_SUFFIX}")}
    folders = {path.name for folder in (DEPTH_FOLDER, MASKED_FOLDER) for path in raw.glob(f"{folder}/*/")}
    if not videos and not folders:
        found = "holds no recordings" if raw.is_dir() else "is not a folder"
        raise DatasetError(f"{raw}: {found}; expected {_LAYOUT}")
    present: tuple[tuple[Stream, set[str]], ...] = (("rgb", videos), ("depth", folders))
    return {clip: tuple(stream for stream, clips in present if clip in clips) for clip in sorted(videos | folders)}


def _make_jobs(
    present: dict[str, tuple[Stream, ...]],
    num_classes: int,
    options: argparse.Namespace,
    default_masks: MaskMode,
) -> tuple[list[NtuJob], list[ClipRecord]]:
    """Return the clips that can be tried, and the records of those that cannot."""
    wanted = tuple(options.streams or dict.fromkeys(stream for streams in present.values() for stream in streams))
    expects_official = (options.masks or default_masks) == "official"
    with_120 = any(_is_of_120(name) for name in present)
    jobs, refused = [], []
    for name, streams in present.items():
        try:
            clip = parse_clip_name(name)
            if clip.action > num_classes:
                raise DatasetError(
                    f"is of action {clip.action}, but {CLASS_NAMES_FILE} names {num_classes}; add its name there"
                )
            if missing := [stream for stream in wanted if stream not in streams]:
                raise DatasetError(
                    f"has no {' and no '.join(missing)}, unlike other clips; copy it, or choose --streams without it"
                )
        except DatasetError as error:
            refused.append(ClipRecord(clip=name, status="failed", reason=str(error)))
            continue
        splits = protocol_splits(clip, with_120=with_120)
        jobs.append(NtuJob(name, clip.label, splits, clip.camera_id, wanted, options.raw, expects_official))
    return jobs, refused


def _is_of_120(name: str) -> bool:
    try:
        return parse_clip_name(name).is_of_120
    except DatasetError:
        return False


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some recordings failed."""
    return run_dataset(NtuDataset(), arguments)
