"""NTU RGB+D's raw recordings: what there is of them, and which clips can be tried.

Source: docs/method.md, "NTU RGB+D".
"""

import argparse
import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import get_args

from preprocess.ntu.names import clips_without_skeleton, parse_clip_name, protocol_splits
from preprocess.ntu.recording import (
    DEPTH_FOLDER,
    MASKED_FOLDER,
    RGB_FOLDER,
    RGB_SUFFIX,
    SKELETON_FOLDER,
    SKELETON_SUFFIX,
    NtuJob,
    open_recording,
)
from preprocess.ntu.registrations import known_registrations, with_registrations
from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.dataset import Found, Identity
from preprocess.pipeline.options import add_streams_option, check_streams, dataset_parser
from preprocess.pipeline.sources import Sources
from rgbd.dataset.layouts import NTU
from rgbd.dataset.ntu_classes import MUTUAL_ACTIONS
from rgbd.dataset.records import ClipRecord, SourceFile, SourceName, printable
from rgbd.dataset.splits import CLASS_NAMES_FILE, read_class_names
from rgbd.errors import DatasetError
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskMode
from rgbd.recording.recording import Recording
from rgbd.types import Stream, in_order

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
        add_streams_option(parser)
        return parser

    def find(self, options: argparse.Namespace) -> Found[NtuJob]:
        """Return the clips of which colour or depth exists, by name."""
        raw: Path = options.raw
        sources = find_sources(raw)
        class_names = read_class_names(raw) or NTU.class_names
        default_masks: MaskMode = "official" if (raw / MASKED_FOLDER).is_dir() else "body"
        jobs, refused = _make_jobs(sources, len(class_names), options, default_masks)
        return Found(
            raw=raw,
            class_names=class_names,
            jobs=jobs,
            refused=refused,
            inputs=with_links(
                [raw, *(raw / name for name in (RGB_FOLDER, DEPTH_FOLDER, MASKED_FOLDER, SKELETON_FOLDER))]
            ),
            default_masks=default_masks,
            has_mutual_actions=class_names == NTU.class_names and any(job.label in MUTUAL_ACTIONS for job in jobs),
            complete=partial(with_registrations, raw=raw, num_workers=options.jobs),
            registrations=known_registrations,
            identify=partial(identities, num_classes=len(class_names)),
        )

    def open(self, job: NtuJob) -> Recording:
        """Open the recording of a job."""
        return open_recording(job)


def find_sources(raw: Path) -> dict[str, Sources]:
    """Return {clip: what there is of it} for all recordings of which colour or depth exists below `raw`, sorted.

    What file systems leave behind, such as ._S001C002P003R002A013_rgb.avi, is none. Raises `DatasetError`, saying what
    was expected, when there is no recording.
    """
    patterns: dict[SourceName, tuple[str, str, str]] = {  # the folder, what is found there, and what names end with
        "rgb": (RGB_FOLDER, f"[!.]*{RGB_SUFFIX}", RGB_SUFFIX),
        "depth": (DEPTH_FOLDER, "[!.]*/", ""),
        "masked_depth": (MASKED_FOLDER, "[!.]*/", ""),
        "skeleton": (SKELETON_FOLDER, f"[!.]*{SKELETON_SUFFIX}", SKELETON_SUFFIX),
    }
    found: dict[str, dict[SourceName, SourceFile]] = {}
    for name, (folder, pattern, suffix) in patterns.items():
        if (raw / folder).is_dir() and not os.access(raw / folder, os.R_OK | os.X_OK):
            raise DatasetError(f"{raw / folder}: cannot be read; check its permissions")
        for path in raw.glob(f"{folder}/{pattern}"):
            found.setdefault(path.name.removesuffix(suffix), {})[name] = SourceFile(
                path=printable(f"{folder}/{path.name}")
            )
    clips: dict[str, Sources] = {
        clip: sources for clip, sources in sorted(found.items()) if sources.keys() != {"skeleton"}
    }
    if not clips:
        wrong = "holds no recordings" if raw.is_dir() else "is not a folder"
        raise DatasetError(f"{raw}: {wrong}; expected {_LAYOUT}")
    return clips


def _streams(sources: Sources) -> tuple[Stream, ...]:
    present = {"rgb": "rgb" in sources, "depth": not sources.keys().isdisjoint(("depth", "masked_depth"))}
    return tuple(stream for stream in get_args(Stream) if present[stream])


def identities(clips: Collection[str], num_classes: int) -> dict[str, Identity]:
    """Return what the names of clips say, which belong to one data set; not of those that have no class."""
    parsed = {}
    for name in clips:
        try:
            parsed[name] = parse_clip_name(name)
        except DatasetError:
            continue  # such a recording is refused
    with_120 = any(clip.is_of_120 for clip in parsed.values())
    return {
        name: Identity(clip.label, protocol_splits(clip, with_120=with_120), clip.camera_id)
        for name, clip in parsed.items()
        if clip.action <= num_classes
    }


def _make_jobs(
    found: Mapping[str, Sources],
    num_classes: int,
    options: argparse.Namespace,
    default_masks: MaskMode,
) -> tuple[list[NtuJob], list[ClipRecord]]:
    """Return the clips that can be tried, and the records of those that cannot."""
    wanted = in_order(options.streams or {stream for sources in found.values() for stream in _streams(sources)})
    expects_official = (options.masks or default_masks) == "official"
    known = identities(found, num_classes)
    jobs, refused = [], []
    for name, sources in found.items():
        try:
            clip = parse_clip_name(name)
            if clip.action > num_classes:
                raise DatasetError(
                    f"is of action {clip.action}, but {CLASS_NAMES_FILE} names {num_classes}; add its name there"
                )
            check_streams(_streams(sources), wanted)
        except DatasetError as error:
            refused.append(ClipRecord(clip=name, status="failed", reason=str(error)))
            continue
        made_from = _used(name, sources, expects_official=expects_official)
        jobs.append(NtuJob(name, *known[name], wanted, options.raw, expects_official, made_from=made_from))
    return jobs, refused


def _used(name: str, sources: Sources, *, expects_official: bool) -> Sources:
    """Return what a clip is made from of what there is."""
    used = dict(sources)
    if name in clips_without_skeleton():
        used.pop("skeleton", None)
    if not expects_official and "depth" in sources:
        used.pop("masked_depth", None)
    return used


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some recordings failed."""
    return run_dataset(NtuDataset(), arguments)
