"""One raw NTU recording -> its cropped colour frames, its masked depth frames and the record of both."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from preprocess.atomic import atomic_folder
from preprocess.datasets import NTU, parse_clip_name
from preprocess.errors import DatasetError, UserError
from preprocess.frames import Frame, read_image, read_video, write_image
from preprocess.manifest import ClipRecord
from preprocess.mask import foreground_masks, skeleton_masks
from preprocess.registration import Registration, stretch
from preprocess.roi import (
    Box,
    Size,
    body_points,
    covering_box,
    crop_color,
    crop_depth,
    depth_box,
    holds,
    legacy_box,
    legacy_window,
    mask_points,
)
from preprocess.skeleton import Skeleton, read_skeleton

RGB_FOLDER = "nturgb+d_rgb"
DEPTH_FOLDER = "nturgb+d_depth"
MASKED_FOLDER = "nturgb+d_depth_masked"
SKELETON_FOLDER = "nturgb+d_skeletons"

RoiMode = Literal["clip", "legacy"]
MaskSource = Literal["official", "skeleton", "background"]
Depth = NDArray[np.uint16]

_JPEG_QUALITY = {"clip": 95, "legacy": 75}  # 75: REFERENCE.md section 7


@dataclass(frozen=True)
class ClipJob:
    """What a worker needs to know; `registration` is None where the camera's skeletons allow none."""

    raw: Path
    out: Path
    clip: str
    roi: RoiMode
    registration: Registration | None
    num_classes: int


def process_clip(job: ClipJob) -> ClipRecord:
    """Write one clip's two folders, or neither, and return the record, which holds the reason of a failure."""
    start = time.perf_counter()
    try:
        record = _process(job)
    except UserError as error:
        record = ClipRecord(clip=job.clip, status="failed", reason=str(error))
    except Exception as error:
        # A defect of ours or a full disk: it must not take the other clips' hours with it, nor pass unseen.
        record = ClipRecord(clip=job.clip, status="failed", reason=f"unexpected {type(error).__name__}: {error}")
    return record.model_copy(update={"seconds": round(time.perf_counter() - start, 3)})


def _process(job: ClipJob) -> ClipRecord:
    label = parse_clip_name(job.clip).label
    if label >= job.num_classes:
        raise DatasetError(f"is of action {label + 1}, but class_names.txt names {job.num_classes}; add its name there")
    color_size, video = _open_color(job)
    warnings: list[str] = []
    masked, skeleton, mask_source = _masked_depth(job, warnings)
    num_empty = sum(not frame.any() for frame in masked)
    if num_empty:
        warnings.append(f"{num_empty} of {len(masked)} depth frames show no body")
    depth_size = (masked[0].shape[1], masked[0].shape[0])
    registration = job.registration or stretch(depth_size, color_size)
    if registration.source == "stretch":
        warnings.append("no skeleton of this camera registers depth to colour; one frame was stretched over the other")
    if job.roi == "legacy":
        boxes, depth = _legacy_boxes(masked, color_size, warnings), masked
    else:
        box = _clip_box(masked, skeleton, registration, color_size, warnings)
        boxes, depth = [box] * len(masked), [crop_depth(frame, box, registration) for frame in masked]
    rgb_frames_in = _write(job, video, depth, boxes)
    num_frames = min(rgb_frames_in, len(depth))
    if rgb_frames_in != len(depth):
        warnings.append(f"{rgb_frames_in} colour frames but {len(depth)} of depth; the first {num_frames} were kept")
    return ClipRecord(
        clip=job.clip,
        status="done",
        num_frames=num_frames,
        rgb_frames_in=rgb_frames_in,
        depth_frames_in=len(depth),
        roi=job.roi,
        box_color_px=boxes[0] if job.roi == "clip" else None,
        box_depth_px=depth_box(boxes[0], registration) if job.roi == "clip" else None,
        registration=registration.source,
        mask_source=mask_source,
        mask_coverage=round(float(np.mean([np.count_nonzero(frame) / frame.size for frame in masked])), 5),
        warnings=tuple(warnings),
    )


def _open_color(job: ClipJob) -> tuple[Size, Iterator[Frame]]:
    """Return the colour frames' (width, height) and the frames."""
    path = job.raw / RGB_FOLDER / f"{job.clip}_rgb.avi"
    if not path.exists():
        raise DatasetError(f"{path}: is missing, though there is depth of this clip; copy it again")
    frames = read_video(path)
    first = next(frames, None)
    if first is None:
        raise DatasetError(f"{path}: holds no frames; copy it again")
    return (first.shape[1], first.shape[0]), chain([first], frames)


def _masked_depth(job: ClipJob, warnings: list[str]) -> tuple[list[Depth], Skeleton, MaskSource]:
    """Return every depth frame with zero outside the bodies, the bodies of every frame, and the masks' origin."""
    official = job.raw / MASKED_FOLDER / job.clip
    if official.is_dir():
        masked = _read_depth(official, "MDepth")
        return masked, _read_skeleton(job, len(masked), warnings), "official"
    frames = _read_depth(job.raw / DEPTH_FOLDER / job.clip, "Depth")
    skeleton = _read_skeleton(job, len(frames), warnings)
    masks = skeleton_masks(frames, skeleton)
    source: MaskSource = "skeleton"
    if masks is None:
        masks, source = foreground_masks(frames), "background"
        warnings.append("what moves in front of the background was taken for the body, for want of a skeleton")
    masked = [np.where(mask, frame, 0).astype(np.uint16) for frame, mask in zip(frames, masks, strict=True)]
    return masked, skeleton, source


def _read_depth(folder: Path, prefix: str) -> list[Depth]:
    """Return the frames of a folder; they must be numbered from 1 without a gap and be of one size."""
    paths = sorted(folder.glob(f"{prefix}-*.png"))
    if not paths:
        raise DatasetError(f"{folder}: holds no {prefix}-%08d.png; copy the depth frames of this clip again")
    frames: list[Depth] = []
    for number, path in enumerate(paths, start=1):
        expected = f"{prefix}-{number:08d}.png"
        if path.name != expected:
            raise DatasetError(f"{folder / expected}: is missing, the next file is {path.name}; copy the frames again")
        frame = read_image(path)
        if frame.ndim != 2 or (frames and frame.shape != frames[0].shape):
            raise DatasetError(
                f"{path}: expected 16-bit depth of one size throughout, found {frame.shape}; copy it again"
            )
        frames.append(frame.astype(np.uint16, copy=False))
    return frames


def _read_skeleton(job: ClipJob, num_frames: int, warnings: list[str]) -> Skeleton:
    """Return the bodies of each of `num_frames` depth frames: nobody in any where there is no skeleton."""
    path = job.raw / SKELETON_FOLDER / f"{job.clip}.skeleton"
    skeleton = read_skeleton(path) if path.exists() else []
    if not any(skeleton):
        warnings.append(f"the skeleton {'shows nobody' if skeleton else 'is missing'}")
    elif len(skeleton) != num_frames:
        warnings.append(f"the skeleton has {len(skeleton)} frames, the depth {num_frames}")
    return (skeleton + [()] * num_frames)[:num_frames]


def _clip_box(
    masked: list[Depth], skeleton: Skeleton, registration: Registration, color_size: Size, warnings: list[str]
) -> Box:
    points = body_points(skeleton)
    if len(points) == 0:
        points = mask_points([frame > 0 for frame in masked], registration)
    if len(points) == 0:
        warnings.append("no body was found; the middle of the frame was kept")
    box = covering_box(points, color_size)
    if not holds(box, points, color_size):
        warnings.append(f"the bodies spread over more than a 4:3 box of the frame; {box} cuts some off")
    return box


def _legacy_boxes(masked: list[Depth], color_size: Size, warnings: list[str]) -> list[Box]:
    """Return one published box a frame; where there is none, the one before, or the middle of the frame."""
    found = [legacy_box(frame, color_size) for frame in masked]
    if None in found:
        warnings.append(f"{found.count(None)} of {len(found)} frames have no contour; the box before was kept")
    previous = legacy_window((color_size[0] // 2, color_size[1] // 2), color_size)
    boxes = []
    for box in found:
        previous = box or previous
        boxes.append(previous)
    return boxes


def _write(job: ClipJob, video: Iterator[Frame], depth: list[Depth], boxes: list[Box]) -> int:
    """Write the common prefix of both streams, both folders or neither; return how many colour frames there are."""
    rgb_final = NTU.rgb_frame(job.out, job.clip, 0).parent
    depth_final = NTU.depth_frame(job.out, job.clip, 0).parent
    rgb_frames_in = 0
    with atomic_folder(rgb_final) as rgb_folder, atomic_folder(depth_final) as depth_folder:
        # The video is read to its end even past the last depth frame: a broken end has to be found.
        for index, frame in enumerate(video):
            rgb_frames_in += 1
            if index < len(depth):
                name = NTU.rgb_frame(job.out, job.clip, index).name
                color = crop_color(frame.astype(np.uint8, copy=False), boxes[index])
                write_image(rgb_folder / name, color, jpeg_quality=_JPEG_QUALITY[job.roi])
                write_image(depth_folder / NTU.depth_frame(job.out, job.clip, index).name, depth[index])
    return rgb_frames_in
