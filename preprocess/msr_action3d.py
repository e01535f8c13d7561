"""`python -m preprocess.msr_action3d`: MSR-Action3D's depth and skeletons -> what training reads.

Source: Li, Zhang, Liu, "Action recognition based on a bag of 3D points", CVPR Workshops 2010, and the data set's page:
depth without its background, 20 actions, 10 performers. Performers 1, 3, 5, 7 and 9 train, the others validate, in all
actions (CS) or in one of the paper's three subsets of eight (AS1 to AS3).
"""

import argparse
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from itertools import filterfalse
from pathlib import Path

import cv2
import numpy as np

from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.dataset import ClipJob, Found, Identity, identities
from preprocess.pipeline.options import dataset_parser
from preprocess.pipeline.sources import source_path
from rgbd.camera.sensors import find_sensor
from rgbd.dataset.layouts import MSR_ACTION3D, Split
from rgbd.dataset.records import ClipRecord, SourceFile, SourceName
from rgbd.dataset.splits import read_class_names
from rgbd.errors import DatasetError
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.recording.archive import is_hidden
from rgbd.recording.numeric.msr_depth import open_msr_depth
from rgbd.recording.recording import Recording
from rgbd.recording.skeletons.msr_skeleton import read_skeleton
from rgbd.recording.skeletons.skeleton import Body, Skeleton
from rgbd.recording.stills.numbering import natural_order
from rgbd.recording.streams import StreamReader, frame_of
from rgbd.terminal import run_command
from rgbd.types import Mask

_DEPTH, _SKELETON = "_sdepth.bin", "_skeleton3D.txt"
_LAYOUT = f"""these files, in any folders below it
  aAA_sSS_eEE{_DEPTH}
      depth without the background
  aAA_sSS_eEE{_SKELETON}
      joints in metres (MSRAction3DSkeletonReal3D); makes boxes better
where AA is the action, SS the performer, EE the take, such as a01_s01_e01"""
_NAME = re.compile(r"a(?P<action>\d\d)_s(?P<performer>0[1-9]|10)_e\d\d")
_SUBSETS = {
    "AS1": (2, 3, 5, 6, 10, 13, 18, 20),
    "AS2": (1, 4, 7, 8, 9, 11, 12, 14),
    "AS3": (6, 14, 15, 16, 17, 18, 19, 20),
}
# Nobody publishes it. It is the unit of depth in the data set's skeletons of pixels, 250 of which are the metre of its
# skeletons in the room; and bodies in the depth are as deep as people are.
_UNIT_MM = 4.0
# Joints lie inside the body, but hands and feet come to its edge.
_JOINT_REACH_PX = 4
_MIN_ON_BODY = 0.5  # of the joints, of a skeleton that is the body's


@dataclass(frozen=True)
class MsrAction3dJob(ClipJob):
    """A clip and its files."""

    depth: Path
    skeleton: Path | None


class MsrAction3dDataset:
    """MSR-Action3D."""

    layout = MSR_ACTION3D
    default_roi: RoiMode = "clip"
    default_masks_note = "official, because its depth comes without the background"

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser with --raw."""
        description = "Bring MSR-Action3D's depth into the layout that training reads, with its published splits."
        return dataset_parser(MSR_ACTION3D.name, description, _LAYOUT)

    def find(self, options: argparse.Namespace) -> Found[MsrAction3dJob]:
        """Return the clips of which depth exists, by action, performer and take."""
        raw: Path = options.raw
        depth, skeletons = _files(raw, _DEPTH), _files(raw, _SKELETON)
        if not depth:
            found = "holds no recordings" if raw.is_dir() else "is not a folder"
            raise DatasetError(f"--raw {raw}: {found}; expected {_LAYOUT}")
        class_names = read_class_names(raw) or MSR_ACTION3D.class_names
        jobs, refused = [], []
        for clip in sorted(depth, key=natural_order):
            try:
                jobs.append(_job(clip, depth[clip], skeletons.get(clip, ()), raw, len(class_names)))
            except DatasetError as error:
                refused.append(ClipRecord(clip=clip, status="failed", reason=str(error)))
        folders = {path.parent for paths in (*depth.values(), *skeletons.values()) for path in paths}
        return Found(
            raw,
            class_names,
            jobs,
            refused,
            with_links([raw, *folders]),
            default_masks="official",
            identify=partial(identities, identify=partial(_identity, num_classes=len(class_names))),
        )

    def open(self, job: MsrAction3dJob) -> Recording:
        """Open the recording of a job."""
        (depth,) = open_msr_depth(job.depth, job.limits)
        skeleton: Skeleton = []
        warning: str | None = "the skeleton is missing"
        if job.skeleton is not None:
            skeleton, warning = _checked(read_skeleton(job.skeleton, depth.size), depth)
        return Recording(
            job.clip,
            masked_depth=depth,
            depth_unit_mm=_UNIT_MM,
            depth_camera=find_sensor("kinect_v1").camera(depth.size),
            skeleton=skeleton,
            warnings=(warning,) if warning else (),
        )


def _files(raw: Path, suffix: str) -> dict[str, list[Path]]:
    """Return {clip: its files of this kind}, wherever they lie."""
    found = defaultdict(list)
    for path in filterfalse(is_hidden, sorted(raw.glob(f"**/*{suffix}"))):
        found[path.name.removesuffix(suffix)].append(path)
    return found


def _job(
    clip: str, depth: Collection[Path], skeletons: Collection[Path], raw: Path, num_classes: int
) -> MsrAction3dJob:
    """Return the job of a clip; raises `DatasetError` for a name that says nothing, and where files are ambiguous."""
    said = _identity(clip, num_classes)
    for paths in (depth, skeletons):
        if len(paths) > 1:
            raise DatasetError(f"is there several times: {', '.join(map(str, paths))}; keep the one that is meant")
    (depth_path,), skeleton = depth, next(iter(skeletons), None)
    made_from: dict[SourceName, Path] = {"depth": depth_path, **({"skeleton": skeleton} if skeleton else {})}
    return MsrAction3dJob(
        clip,
        *said,
        streams=("depth",),
        depth=depth_path,
        skeleton=skeleton,
        made_from={name: SourceFile(path=source_path(path, raw)) for name, path in made_from.items()},
    )


def _identity(clip: str, num_classes: int) -> Identity:
    """Return what a clip's name says; raises `DatasetError` where it is called otherwise."""
    match = _NAME.fullmatch(clip)
    if match is None:
        raise DatasetError("is not called aAA_sSS_eEE with an action, a performer from 01 to 10, and a take; rename it")
    action = int(match["action"])
    if not 1 <= action <= num_classes:
        raise DatasetError(f"is of action {action}, there are {num_classes} classes; rename it")
    half: Split = "train" if int(match["performer"]) % 2 else "valid"
    protocols = ("CS", *(name for name, actions in _SUBSETS.items() if action in actions))
    return Identity(action - 1, dict.fromkeys(protocols, half))


def _checked(skeleton: Skeleton, depth: StreamReader) -> tuple[Skeleton, str | None]:
    """Return the skeleton, or one without bodies where it is not that of the body in depth, and what is wrong with it.

    Some of the data set's are zeros, or lie elsewhere for a time: a box around them would miss the body.
    """
    if not any(skeleton):
        return skeleton, "no joint of the skeleton has a place; the box follows the depth"
    num_beside = 0
    for bodies, picture in zip(skeleton, depth.read(), strict=False):
        near = cv2.dilate((frame_of(picture) > 0).view(np.uint8), np.ones((2 * _JOINT_REACH_PX + 1,) * 2, np.uint8))
        num_beside += any(_share_on(body, near.view(np.bool_)) < _MIN_ON_BODY for body in bodies)
    if not num_beside:
        return skeleton, None
    warning = f"the skeleton lies beside the body in {num_beside} of {len(skeleton)} frames; the box follows the depth"
    return [()] * len(skeleton), warning


def _share_on(body: Body, mask: Mask) -> float:
    """Return the share of a body's joints that lie where the mask [H, W] is set, of those that have a place."""
    columns, rows = np.rint(body.depth_xy[body.is_placed]).astype(int).T
    height, width = mask.shape
    is_inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return float(np.count_nonzero(mask[rows[is_inside], columns[is_inside]]) / len(rows))


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some clips failed."""
    return run_dataset(MsrAction3dDataset(), arguments)


if __name__ == "__main__":
    run_command(main)
