"""One raw NTU recording: where its streams lie, and what its skeleton is worth."""

from dataclasses import dataclass
from pathlib import Path

from preprocess.ntu.names import clips_without_skeleton
from preprocess.pipeline.rgbd_clip import RawClip, Treatment, process_rgbd
from preprocess.pipeline.run import ClipJob
from rgbd.camera.registration import Registration
from rgbd.dataset.records import ClipRecord
from rgbd.dataset.store import Store
from rgbd.people.tracks import without_furniture
from rgbd.recording.skeleton import Skeleton, read_skeleton
from rgbd.recording.sources import ColorVideo, numbered_depth

RGB_FOLDER = "nturgb+d_rgb"
DEPTH_FOLDER = "nturgb+d_depth"
MASKED_FOLDER = "nturgb+d_depth_masked"
SKELETON_FOLDER = "nturgb+d_skeletons"
RGB_SUFFIX = "_rgb.avi"


@dataclass(frozen=True)
class NtuJob(ClipJob):
    """A clip below the folder `raw`; `registration` is None where skeletons allow none, and before they are read."""

    raw: Path
    treatment: Treatment
    registration: Registration | None = None


def process_ntu_clip(job: NtuJob, store: Store) -> ClipRecord:
    """Write one clip, all of its streams or none, and return the record; raises `UserError` for an unusable one."""
    warnings: list[str] = []
    video = job.raw / RGB_FOLDER / f"{job.clip}{RGB_SUFFIX}"
    depth, official = (job.raw / folder / job.clip for folder in (DEPTH_FOLDER, MASKED_FOLDER))
    if job.treatment.masks == "official" and not official.is_dir():
        warnings.append("the official masks are missing; they were imitated")
    raw = RawClip(
        job.clip,
        color=ColorVideo(video) if video.exists() else None,
        depth=numbered_depth(depth, "Depth") if depth.is_dir() else None,
        official=numbered_depth(official, "MDepth") if official.is_dir() else None,
        skeleton=_usable_skeleton(job, warnings),
        registration=job.registration,
    )
    return process_rgbd(raw, job.streams, job.treatment, store, warnings)


def _usable_skeleton(job: NtuJob, warnings: list[str]) -> Skeleton:
    """Return the bodies of each frame; none where the file is missing, shows nobody, or is known to be incomplete."""
    path = job.raw / SKELETON_FOLDER / f"{job.clip}.skeleton"
    if job.clip in clips_without_skeleton():
        warnings.append("the data set's authors declare the skeleton missing or incomplete; it was not used")
        return []
    if not path.exists():
        warnings.append("the skeleton is missing")
        return []
    skeleton = read_skeleton(path)
    if not any(skeleton):
        warnings.append("the skeleton shows nobody")
    people = without_furniture(skeleton)
    if people is not skeleton:
        warnings.append("a body of the skeleton never moves and is as wide as furniture; it was not used")
    return people
