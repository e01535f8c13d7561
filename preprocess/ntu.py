"""`python -m preprocess.ntu`: raw NTU RGB+D recordings -> what training reads.

Source: REFERENCE.md sections 7 and 9.
"""

import argparse
import os
from collections import defaultdict
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from preprocess.datasets import NTU, Split, cross_subject_split, parse_clip_name
from preprocess.errors import DatasetError, run_command
from preprocess.manifest import (
    CLASS_NAMES_FILE,
    ClipRecord,
    SplitEntry,
    read_class_names,
    write_class_names,
    write_records,
    write_split,
)
from preprocess.ntu_clip import DEPTH_FOLDER, MASKED_FOLDER, RGB_FOLDER, SKELETON_FOLDER, ClipJob, RoiMode, process_clip
from preprocess.registration import Registration, fit_registration, joint_pairs, write_registrations
from preprocess.runner import run_jobs
from preprocess.skeleton import read_skeleton

_RGB_SUFFIX = "_rgb.avi"
_EXPECTED = f"""expected below it:
  {RGB_FOLDER}/<clip>{_RGB_SUFFIX}
  {DEPTH_FOLDER}/<clip>/Depth-%08d.png
      16-bit millimetres, numbered from 1
  {SKELETON_FOLDER}/<clip>.skeleton
      optional: without it masks and boxes are rougher
  {MASKED_FOLDER}/<clip>/MDepth-%08d.png
      optional: the official masks, used instead of making some
  {CLASS_NAMES_FILE}
      optional: line k names action k
where <clip> is SsssCcccPpppRrrrAaaa, such as S001C002P003R002A013"""


def find_clips(raw: Path) -> list[str]:
    """Return the sorted names of all recordings of which a video or depth frames exist below `raw`.

    Raises `DatasetError`, saying what was expected, when there is none.
    """
    videos = {path.name.removesuffix(_RGB_SUFFIX) for path in raw.glob(f"{RGB_FOLDER}/*{_RGB_SUFFIX}")}
    folders = {path for folder in (DEPTH_FOLDER, MASKED_FOLDER) for path in raw.glob(f"{folder}/*") if path.is_dir()}
    clips = videos | {path.name for path in folders}
    if not clips:
        found = "holds no recordings" if raw.is_dir() else "is not a folder"
        raise DatasetError(f"{raw}: {found}; {_EXPECTED}")
    return sorted(clips)


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
    raw, out = options.raw, options.out
    if raw.resolve() == out.resolve():
        raise DatasetError(f"--out {out} is the raw folder itself, whose masks would be overwritten; name another one")
    clips = find_clips(raw)
    class_names = read_class_names(raw) or NTU.class_names
    registrations = fit_registrations(raw, options.jobs)
    jobs = [ClipJob(raw, out, clip, options.roi, registrations.get(clip[:8]), len(class_names)) for clip in clips]
    records = run_jobs(process_clip, jobs, options.jobs, "processing clips")
    write_registrations(out / "registration.json", registrations)
    write_class_names(out, class_names)
    for split in get_args(Split):
        write_split(NTU.split_file(out, split, "CS"), _split_entries(records, split), NTU)
    write_records(out / "records.jsonl", records)
    _report(records, registrations, out)
    return int(any(record.status == "failed" for record in records))


def _split_entries(records: list[ClipRecord], split: Split) -> list[SplitEntry]:
    done = [(parse_clip_name(record.clip), record) for record in records if record.status == "done"]
    return [
        SplitEntry(clip.name, record.num_frames, clip.label)
        for clip, record in done
        if cross_subject_split(clip) == split
    ]


def _report(records: list[ClipRecord], registrations: dict[str, Registration], out: Path) -> None:
    """Print what was done, every warning's clip counted, every failure by name."""
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    failed = [record for record in records if record.status == "failed"]
    warned = sum(bool(record.warnings) for record in records)
    halves = ", ".join(f"{len(_split_entries(records, split))} {split}" for split in get_args(Split))
    for camera, registration in registrations.items():
        share = 100 * (registration.inlier_share or 0)
        console.print(
            f"{camera}: depth lies on colour within {registration.residual_px:.1f} px, {share:.0f} % of joints"
        )
    console.print(f"{len(records) - len(failed)} of {len(records)} clips done ({halves}), {warned} with warnings")
    console.print(f"details: {out / 'records.jsonl'}")
    for record in failed:
        console.print(f"failed: {record.clip}: {record.reason}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.ntu",
        description="Turn raw NTU RGB+D recordings into cropped frames, masked depth, split files and a record.",
        epilog=f"The raw folder: {_EXPECTED}.\n\nExit codes: 0 all done, 1 some recordings failed, 2 nothing done.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--raw", type=Path, required=True, metavar="FOLDER", help="the recordings; see below")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the data set is written")
    parser.add_argument(
        "--roi",
        choices=get_args(RoiMode),
        default="clip",
        help="clip: one 4:3 box for the whole clip, around every body, for colour and depth alike (default); "
        "legacy: the published way, another window for every frame, depth left whole",
    )
    parser.add_argument(
        "--jobs", type=_positive, default=os.cpu_count() or 1, metavar="J", help="worker processes (default: all cores)"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    run_command(main)
