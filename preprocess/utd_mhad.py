"""`python -m preprocess.utd_mhad`: UTD-MHAD's depth, skeletons and colour -> what training reads.

Source: Chen, Jafari, Kehtarnavaz, "UTD-MHAD", ICIP 2015, and the data set's page: a Kinect v1 whose depth comes without
its background, 27 actions, 8 performers; performers 1, 3, 5 and 7 train, the others validate.
"""

import argparse
import re
from dataclasses import dataclass
from functools import partial
from itertools import filterfalse
from pathlib import Path
from typing import get_args

import numpy as np

from preprocess.pipeline.command import run_dataset
from preprocess.pipeline.dataset import ClipJob, Found, Identity, identities
from preprocess.pipeline.options import add_streams_option, check_streams, dataset_parser
from preprocess.pipeline.sources import Sources, source_path
from rgbd.camera.registration import stretch
from rgbd.camera.sensors import find_sensor
from rgbd.dataset.layouts import UTD_MHAD, Split
from rgbd.dataset.records import ClipRecord, SourceFile, SourceName
from rgbd.dataset.splits import read_class_names
from rgbd.errors import DatasetError
from rgbd.overlap import with_links
from rgbd.people.clip_boxes import RoiMode
from rgbd.recording.archive import is_hidden
from rgbd.recording.formats import open_stream
from rgbd.recording.numeric.matlab import read_matlab_array
from rgbd.recording.recording import Recording
from rgbd.recording.skeletons.joint_layout import KINECT_V1
from rgbd.recording.skeletons.skeleton import Skeleton, kinect_v1_body
from rgbd.recording.stills.numbering import natural_order
from rgbd.terminal import run_command
from rgbd.types import Size, Stream, in_order

_LAYOUT = """any of
  Depth/aA_sS_tT_depth.mat
      millimetres [240, 320, frames], without the background
  RGB/aA_sS_tT_color.avi
  Skeleton/aA_sS_tT_skeleton.mat
      joints in metres [20, 3, frames]; makes boxes better
where A is the action, S the performer, T the take, such as a1_s1_t1"""
_PLACES: dict[SourceName, tuple[str, str]] = {
    "rgb": ("RGB", "_color.avi"),
    "depth": ("Depth", "_depth.mat"),
    "skeleton": ("Skeleton", "_skeleton.mat"),
}
_SENSOR, _DEPTH_SIZE = "kinect_v1", (320, 240)
_NAME = re.compile(r"a(?P<action>[1-9]\d?)_s(?P<performer>[1-8])_t\d+")
# Skeleton_joint_order.txt: head, between the shoulders, spine, hips, and then the limbs as Kinect SDK 1.8 has them.
_JOINT_ORDER = (3, 2, 1, 0, *range(4, KINECT_V1.num_joints))


@dataclass(frozen=True)
class UtdMhadJob(ClipJob):
    """A clip below the folder `raw`."""

    raw: Path


class UtdMhadDataset:
    """UTD-MHAD."""

    layout = UTD_MHAD
    default_roi: RoiMode = "clip"
    default_masks_note = "official, because its depth comes without the background"

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser with --raw and --streams."""
        description = "Bring UTD-MHAD's depth and colour into the layout that training reads, with its published split."
        parser = dataset_parser(UTD_MHAD.name, description, _LAYOUT)
        add_streams_option(parser)
        return parser

    def find(self, options: argparse.Namespace) -> Found[UtdMhadJob]:
        """Return the clips of which depth or colour exists, by action, performer and take."""
        raw: Path = options.raw
        present = _find_streams(raw)
        class_names = read_class_names(raw) or UTD_MHAD.class_names
        wanted = in_order(options.streams or {stream for streams in present.values() for stream in streams})
        jobs, refused = [], []
        for clip, streams in present.items():
            try:
                said = _identity(clip, len(class_names))
                check_streams(streams, wanted)
                jobs.append(UtdMhadJob(clip, *said, wanted, raw, made_from=_sources(raw, clip)))
            except DatasetError as error:
                refused.append(ClipRecord(clip=clip, status="failed", reason=str(error)))
        folders = [folder for folder, _ in _PLACES.values()]
        inputs = with_links([raw, *(raw / folder for folder in folders)])
        return Found(
            raw,
            class_names,
            jobs,
            refused,
            inputs,
            default_masks="official",
            identify=partial(identities, identify=partial(_identity, num_classes=len(class_names))),
        )

    def open(self, job: UtdMhadJob) -> Recording:
        """Open the recording of a job, with whatever there is of it."""
        paths = _paths(job.raw, job.clip)
        rgb, depth = (open_stream(paths[s], s, job.limits) if s in paths else None for s in get_args(Stream))
        skeleton = paths.get("skeleton")
        sizes = depth.size if depth else _DEPTH_SIZE, rgb.size if rgb else None
        return Recording(
            job.clip,
            rgb=rgb,
            masked_depth=depth,
            skeleton=read_skeleton(skeleton, *sizes) if skeleton else [],
            depth_camera=find_sensor(_SENSOR).camera(sizes[0]),
            warnings=() if skeleton else ("the skeleton is missing",),
        )


def _find_streams(raw: Path) -> dict[str, set[Stream]]:
    """Return {clip: its streams}, in order; raises `DatasetError` where there are none."""
    present: dict[str, set[Stream]] = {}
    for stream in get_args(Stream):
        folder, suffix = _PLACES[stream]
        for path in filterfalse(is_hidden, raw.glob(f"{folder}/*{suffix}")):
            present.setdefault(path.name.removesuffix(suffix), set()).add(stream)
    if not present:
        found = "holds no recordings" if raw.is_dir() else "is not a folder"
        raise DatasetError(f"--raw {raw}: {found}; expected {_LAYOUT}")
    return {clip: present[clip] for clip in sorted(present, key=natural_order)}


def _identity(clip: str, num_classes: int) -> Identity:
    """Return what a clip's name says; raises `DatasetError` where it is called otherwise."""
    match = _NAME.fullmatch(clip)
    if match is None:
        raise DatasetError("is not called aA_sS_tT with an action, a performer from 1 to 8, and a take; rename it")
    label = int(match["action"]) - 1
    if label >= num_classes:
        raise DatasetError(f"is of action {label + 1}, there are {num_classes} classes; rename it")
    half: Split = "train" if int(match["performer"]) % 2 else "valid"
    return Identity(label, {"": half})


def _paths(raw: Path, clip: str) -> dict[SourceName, Path]:
    """Return the files of a clip that are there."""
    paths = {name: raw / folder / f"{clip}{suffix}" for name, (folder, suffix) in _PLACES.items()}
    return {name: path for name, path in paths.items() if path.exists()}


def _sources(raw: Path, clip: str) -> Sources:
    return {name: SourceFile(path=source_path(path, raw)) for name, path in _paths(raw, clip).items()}


def read_skeleton(path: Path, depth_size: Size, color_size: Size | None) -> Skeleton:
    """Return the body of every frame, in pixels of frames of these sizes, too; raises `MediaError`.

    The file tells metres only: pixels of depth are those that the Kinect's software projects joints to, pixels of
    colour those that lie over them where one frame is stretched over the other.
    """
    joints_m = read_matlab_array(path, "d_skel")
    if joints_m.ndim != 3 or joints_m.shape[:2] != (KINECT_V1.num_joints, 3):
        raise DatasetError(
            f"{path}: d_skel is {list(joints_m.shape)}, expected [20, 3, frames]; copy it again, or remove it to have "
            "the clip processed without its skeleton"
        )
    camera, registration = find_sensor(_SENSOR).camera(depth_size), stretch(depth_size, color_size or depth_size)
    frames = np.moveaxis(joints_m, 2, 0)[:, _JOINT_ORDER].astype(np.float32)
    return [(kinect_v1_body(frame, camera, registration),) for frame in frames]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or 1 when some clips failed."""
    return run_dataset(UtdMhadDataset(), arguments)


if __name__ == "__main__":
    run_command(main)
