"""What is in the files of a recording: streams, times, distances, cameras, and what preprocessing makes of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from rgbd.camera.calibration import Intrinsics
from rgbd.clip.preparation import Preparation
from rgbd.clip.prepare import prepare
from rgbd.clip.prepared_recording import PreparedRecording
from rgbd.errors import UserError
from rgbd.recording.depth import MeasuredDepth, check_distance, unit_of
from rgbd.recording.recording import Recording
from rgbd.recording.streams import MiscountedError, StreamReader
from rgbd.recording.timeline import Timeline
from rgbd.types import Stream

_GAP = 1.5  # times the usual interval
_LOOKED_AT = 9


class Gap(BaseModel):
    """A pause between two frames, longer than half as much again as is usual."""

    after_s: float
    length_s: float


class Distances(BaseModel):
    """How far away is what some frames of depth show, in metres: where 5, 50 and 95 % of it are nearer."""

    near_m: float
    median_m: float
    far_m: float
    measured_share: float


class StreamFacts(BaseModel):
    """What a file says, and shows, of one stream.

    kind: what it is, or was given as. is_measured: whether it is distances, and not 8-bit images. first_s, last_s: on
    its file's clock.
    """

    file: str
    track: str
    kind: Stream
    size: tuple[int, int]
    num_frames: int
    fps: float | None
    first_s: float | None = None
    last_s: float | None = None
    gaps: list[Gap] = []
    is_measured: bool = False
    unit_mm: float | None = None
    distances: Distances | None = None
    lens: dict[str, Any] | None = None
    damage: list[str] = []
    notes: list[str] = []


class Outcome(BaseModel):
    """What preprocessing would make of a recording: python -m preprocess.custom with its defaults."""

    num_frames: int
    registration: str | None
    depth_to_color_cm: tuple[float, float, float] | None
    box_color_px: tuple[int, int, int, int] | None
    people_found_in: int | None
    mask_coverage: float | None
    depth_camera: str | None
    warnings: list[str]


def stream_facts(reader: StreamReader, kind: Stream, told_unit_mm: float | None) -> StreamFacts:
    """Return what is known of a stream when some of its frames were read; what cannot be read is named in `damage`."""
    facts = StreamFacts(
        file=reader.name,
        track=reader.track,
        kind=kind,
        size=reader.size,
        num_frames=reader.num_frames,
        fps=reader.fps,
        is_measured=reader.is_depth,
        unit_mm=reader.unit_mm,
        lens=_lens(reader.camera.intrinsics),
        notes=list(reader.notes),
    )
    broken = []
    if reader.is_depth:
        try:
            facts.distances = _distances(reader, unit_of(reader, told_unit_mm))
        except UserError as error:
            broken.append(str(error))
    facts.num_frames, facts.damage = reader.num_frames, [*reader.damage, *broken]
    line = reader.timeline()
    if line.is_timed:
        facts.fps = round(1 / line.interval, 3) if line.interval else reader.fps
        facts.first_s, facts.last_s = line.start, float(line.clock[-1])
        facts.gaps = list(_gaps(line))
    return facts


def outcome_of(recording: Recording, streams: Sequence[Stream]) -> tuple[PreparedRecording, Outcome]:
    """Return what preprocessing would make of a recording; raises `UserError` where it could make nothing of it."""
    preparation = Preparation(streams=tuple(streams), masks="body", roi="clip")
    depth = recording.depth
    odd = check_distance(depth, recording.depth_unit_mm) if depth is not None and depth.is_depth else ()
    while True:
        try:
            prepared = prepare(recording, preparation)
            found = _people(prepared)
            break
        except MiscountedError:
            continue  # a video is counted now
    both = recording.rgb is not None and recording.depth is not None
    camera = prepared.searched_by if prepared.masked is not None else None
    return prepared, Outcome(
        num_frames=prepared.kept.num_frames,
        registration=prepared.registration.source if both else None,
        depth_to_color_cm=_way(recording),
        box_color_px=prepared.boxes.only,
        people_found_in=found and found[0],
        mask_coverage=found and found[1],
        depth_camera=camera.name if camera is not None else None,
        warnings=[*odd, *prepared.warnings, *prepared.kept.warnings],
    )


def _people(prepared: PreparedRecording) -> tuple[int, float] | None:
    """Return in how many of the frames that are kept somebody is, and the share of a frame that is people's."""
    if prepared.masked is None:
        return None
    shares = [share for _, share in prepared.depth_frames(prepared.kept.places["depth"])]
    return int(np.count_nonzero(shares)), round(float(np.mean(shares)), 5)


def _way(recording: Recording) -> tuple[float, float, float] | None:
    if recording.rgb is None or recording.depth is None:
        return None
    pose = recording.depth.camera.pose_to(recording.rgb.camera)
    if pose is None:
        return None
    x, y, z = (round(100 * part, 2) for part in pose.translation_m)
    return x, y, z


def _distances(reader: StreamReader, unit_mm: float) -> Distances | None:
    frames = MeasuredDepth(reader, unit_mm).spread(_LOOKED_AT)
    measured = np.concatenate([frame[frame > 0] for frame in frames])
    if not measured.size:
        return None
    near, median, far = (float(value) / 1000 for value in np.percentile(measured, (5, 50, 95)))
    share = measured.size / sum(frame.size for frame in frames)
    return Distances(near_m=near, median_m=median, far_m=far, measured_share=round(share, 4))


def _gaps(line: Timeline) -> Iterator[Gap]:
    for index in np.flatnonzero(np.diff(line.clock) > _GAP * line.interval).tolist():
        yield Gap(after_s=float(line.clock[index]), length_s=float(line.clock[index + 1] - line.clock[index]))


def _lens(lens: Intrinsics | None) -> dict[str, Any] | None:
    if lens is None:
        return None
    numbers: Mapping[str, float] = {"fx": lens.fx, "fy": lens.fy, "cx": lens.cx, "cy": lens.cy}
    return {**numbers, "size": lens.size, "model": lens.model, "distortion": lens.distortion}
