"""`python -m preprocess.ntu`: raw NTU RGB+D recordings -> what training reads.

Source: REFERENCE.md sections 7 and 9.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from preprocess.ntu.clip import (
    DEPTH_FOLDER,
    MASKED_FOLDER,
    RGB_FOLDER,
    RGB_SUFFIX,
    SKELETON_FOLDER,
    NtuJob,
    process_ntu_clip,
)
from preprocess.ntu.names import parse_clip_name, protocol_splits
from preprocess.pipeline.options import dataset_parser, run_options
from preprocess.pipeline.processes import run_jobs
from preprocess.pipeline.rgbd_clip import Treatment
from preprocess.pipeline.run import RunOptions, run_dataset
from rgbd.camera.registration import (
    REGISTRATION_FILE,
    Registration,
    fit_registration,
    read_registrations,
    write_registrations,
)
from rgbd.dataset.layouts import NTU
from rgbd.dataset.records import ClipRecord
from rgbd.dataset.run_info import RunInfo
from rgbd.dataset.splits import CLASS_NAMES_FILE, read_class_names
from rgbd.errors import DatasetError
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.people.masked_depth import MaskMode
from rgbd.recording.skeleton import joint_pairs, read_skeleton
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


def fit_registrations(raw: Path, num_workers: int) -> dict[str, Registration]:
    """Return {camera: registration} for every camera with skeletons enough to fit one, over all of its clips."""
    paths = sorted(raw.glob(f"{SKELETON_FOLDER}/*.skeleton"))
    pairs_by_camera: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for path, pairs in zip(paths, run_jobs(_joint_pairs, paths, num_workers, "registering cameras"), strict=True):
        pairs_by_camera[path.name[:8]].append(pairs)
    fitted = {camera: fit_registration(np.concatenate(pairs)) for camera, pairs in pairs_by_camera.items()}
    return {camera: registration for camera, registration in fitted.items() if registration is not None}


def _joint_pairs(path: Path) -> NDArray[np.float32]:
    try:
        return joint_pairs(read_skeleton(path))
    except DatasetError:
        return joint_pairs([])  # the clip that this skeleton belongs to will fail with the reason


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some recordings failed."""
    options = _parser().parse_args(arguments)
    raw, chosen = options.raw, run_options(options)
    present = find_streams(raw)
    class_names = read_class_names(raw) or NTU.class_names
    treatment = Treatment(options.masks or _default_masks(raw), options.roi, options.on_empty)
    jobs, refused = _make_jobs(present, len(class_names), treatment, options)
    info = RunInfo(
        dataset=NTU.name,
        raw=str(raw.resolve()),
        format=options.format,
        settings={"masks": treatment.masks, "roi": treatment.roi},
    )
    folders = [raw / name for name in (RGB_FOLDER, DEPTH_FOLDER, MASKED_FOLDER, SKELETON_FOLDER)]
    return run_dataset(
        NTU,
        info,
        class_names,
        jobs,
        process_ntu_clip,
        chosen,
        inputs=with_links([raw, *folders]),
        refused=refused,
        complete=partial(_registered, raw=raw, options=chosen, num_workers=options.jobs),
    )


def _default_masks(raw: Path) -> MaskMode:
    return "official" if (raw / MASKED_FOLDER).is_dir() else "body"


def _registered(jobs: Sequence[NtuJob], raw: Path, options: RunOptions, num_workers: int) -> Sequence[NtuJob]:
    """Return the jobs with their cameras' registrations: those of an earlier run, or else new ones, which are kept."""
    path = options.out / REGISTRATION_FILE
    if path.exists() and (options.is_partial or not options.overwrite):
        registrations = read_registrations(path)
    else:
        registrations = _fit_and_keep(raw, path, num_workers)
    return [replace(job, registration=registrations.get(job.camera or "")) for job in jobs]


def _fit_and_keep(raw: Path, path: Path, num_workers: int) -> dict[str, Registration]:
    """Return what the skeletons say, and say how well it fits."""
    registrations = fit_registrations(raw, num_workers)
    if not registrations:
        return {}
    write_registrations(path, registrations)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    for camera, registration in registrations.items():
        share = 100 * (registration.inlier_share or 0)
        console.print(
            f"{camera}: depth lies on colour within {registration.residual_px:.1f} px, {share:.0f} % of joints"
        )
    return registrations


def _make_jobs(
    present: dict[str, tuple[Stream, ...]],
    num_classes: int,
    treatment: Treatment,
    options: argparse.Namespace,
) -> tuple[list[NtuJob], list[ClipRecord]]:
    """Return the clips that can be tried, and the records of those that cannot."""
    wanted = tuple(options.streams or dict.fromkeys(stream for streams in present.values() for stream in streams))
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
        jobs.append(NtuJob(name, clip.label, splits, clip.camera_id, wanted, options.raw, treatment))
    return jobs, refused


def _is_of_120(name: str) -> bool:
    try:
        return parse_clip_name(name).is_of_120
    except DatasetError:
        return False


def _parser() -> argparse.ArgumentParser:
    parser = dataset_parser(
        "preprocess.ntu",
        "Turn raw NTU RGB+D recordings into cropped frames, masked depth, split files and records.",
        _LAYOUT,
    )
    parser.add_argument(
        "--masks",
        choices=get_args(MaskMode),
        help="which depth is kept. official: as in the published masks, which are used where they exist (the default "
        "then); body: the people only (the default else); none: all of it",
    )
    parser.add_argument(
        "--roi",
        choices=get_args(RoiMode),
        default="clip",
        help="what frames are cropped to. clip: one 4:3 box for the whole clip, around every body (default); tracked: "
        "a box of one size that follows them; legacy: the published way, another window for every frame, depth left "
        "whole; whole: nothing is cropped",
    )
    parser.add_argument(
        "--streams", choices=get_args(Stream), nargs="+", help="write only these (default: all that there are)"
    )
    return parser
