"""One raw NTU recording: where its streams lie, and what its skeleton is worth."""

from dataclasses import dataclass
from pathlib import Path

from preprocess.ntu.names import clips_without_skeleton
from preprocess.pipeline.dataset import ClipJob
from rgbd.camera.registration import Registration
from rgbd.camera.sensors import find_sensor
from rgbd.errors import DatasetError
from rgbd.people.tracks import without_furniture
from rgbd.recording.formats import open_stream
from rgbd.recording.recording import Recording
from rgbd.recording.skeletons.ntu_skeleton import read_skeleton
from rgbd.recording.skeletons.skeleton import Skeleton
from rgbd.recording.stills.frames import FolderReader

RGB_FOLDER = "nturgb+d_rgb"
DEPTH_FOLDER = "nturgb+d_depth"
MASKED_FOLDER = "nturgb+d_depth_masked"
SKELETON_FOLDER = "nturgb+d_skeletons"
RGB_SUFFIX = "_rgb.avi"
SKELETON_SUFFIX = ".skeleton"


@dataclass(frozen=True)
class NtuJob(ClipJob):
    """A clip below the folder `raw`; `registration` is None where skeletons allow none, and before they are read."""

    raw: Path
    expects_official: bool
    registration: Registration | None = None


def open_recording(job: NtuJob) -> Recording:
    """Open one clip; raises `UserError` for an unusable one."""
    video = job.raw / RGB_FOLDER / f"{job.clip}{RGB_SUFFIX}"
    depth, official = (job.raw / folder / job.clip for folder in (DEPTH_FOLDER, MASKED_FOLDER))
    skeleton, odd = _usable_skeleton(job)
    depth_frames = _numbered(depth, "Depth") if depth.is_dir() else None
    official_frames = _numbered(official, "MDepth") if official.is_dir() else None
    any_depth = depth_frames or official_frames
    if job.expects_official and not official.is_dir():
        odd = ("the official masks are missing; they were imitated", *odd)
    return Recording(
        job.clip,
        rgb=open_stream(video, "rgb", job.limits) if video.exists() else None,
        depth=depth_frames,
        masked_depth=official_frames,
        skeleton=skeleton,
        registration=job.registration,
        depth_camera=find_sensor("kinect_v2").camera(any_depth.size) if any_depth else None,
        warnings=odd,
    )


def _numbered(folder: Path, prefix: str) -> FolderReader:
    """Return the frames `prefix`-00000001.png, -00000002.png, ... of a folder.

    Raises `DatasetError` when there is none, or a number is missing: frames after the gap would be out of step.
    """
    paths = sorted(folder.glob(f"{prefix}-*.png"))
    if not paths:
        raise DatasetError(f"{folder}: holds no {prefix}-%08d.png; copy the depth frames of this clip again")
    for number, path in enumerate(paths, start=1):
        expected = f"{prefix}-{number:08d}.png"
        if path.name != expected:
            raise DatasetError(f"{folder / expected}: is missing, the next file is {path.name}; copy the frames again")
    return FolderReader(paths)


def _usable_skeleton(job: NtuJob) -> tuple[Skeleton, tuple[str, ...]]:
    """Return the bodies of each frame, and what is odd about them.

    There are none where the file is missing, shows nobody, or is known to be incomplete.
    """
    path = job.raw / SKELETON_FOLDER / f"{job.clip}{SKELETON_SUFFIX}"
    if job.clip in clips_without_skeleton():
        return [], ("the data set's authors declare the skeleton missing or incomplete; it was not used",)
    if not path.exists():
        return [], ("the skeleton is missing",)
    skeleton = read_skeleton(path)
    if not any(skeleton):
        return [], ("the skeleton shows nobody",)
    people = without_furniture(skeleton)
    if people is not skeleton:
        return people, ("a body of the skeleton never moves and is as wide as furniture; it was not used",)
    return people, ()
