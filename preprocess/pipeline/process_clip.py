"""One recording -> its frames in the data set, and the record of what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rgbd.clip.preparation import Preparation
from rgbd.clip.prepare import PreparedRecording, prepare
from rgbd.dataset.records import MIN_MASK_COVERAGE, ClipRecord
from rgbd.dataset.store import ClipWriter, Store
from rgbd.errors import DamagedError, DatasetError
from rgbd.people.boxes import depth_box
from rgbd.recording.depth import check_distance
from rgbd.recording.recording import Recording

_JPEG_QUALITY = {False: 95, True: 75}  # by whether the published way is wanted; docs/method.md, "Published boxes"

# Recorders end streams a frame or two after each other. A file that was cut lacks more than that.
_FEW_FRAMES, _FEW_OF_ALL = 3, 0.05

OnEmpty = Literal["fail", "keep"]
"""What becomes of a clip without anything in any depth frame: it fails, or is kept whole."""


class EmptyDepthError(DatasetError):
    """No depth frame of a clip would show anything."""


@dataclass(frozen=True)
class _Written:
    """What was written of a recording: how many frames each stream has, and the share that masks keep of each."""

    num_color: int | None
    num_depth: int | None
    mask_shares: Sequence[float] = ()
    shows_anything: bool = True

    @property
    def num_frames(self) -> int:
        return min(num for num in (self.num_color, self.num_depth) if num is not None)

    @property
    def mask_coverage(self) -> float:
        return float(np.mean(self.mask_shares)) if self.mask_shares else 0.0

    @property
    def num_empty_masks(self) -> int:
        return sum(share == 0 for share in self.mask_shares)


def process(
    recording: Recording, preparation: Preparation, on_empty: OnEmpty, store: Store, *, accept_short: bool = False
) -> ClipRecord:
    """Write the preparation's streams of one recording, all or none, and return the record.

    Raises `UserError` for a recording that cannot be used, and `DamagedError` for one that is shorter than its skeleton
    unless `accept_short`; what else is odd are the record's warnings.
    """
    _check_skeleton(recording, accept_short=accept_short)
    if "depth" in preparation.streams:
        recording = replace(recording, warnings=(*recording.warnings, *_odd_distances(recording)))
    try:
        return _write(prepare(recording, preparation), store)
    except EmptyDepthError as error:
        if on_empty == "fail":
            remedy = "--on-empty keep keeps such recordings whole"
            if preparation.masks != "none":
                remedy += ", --masks none all depth of every recording"
            raise EmptyDepthError(f"{error}; {remedy}") from error
        # Colour that was written before, alone, shows the middle of the frame, and depth has to show the same part.
        roi = preparation.roi if recording.rgb is not None and "rgb" not in preparation.streams else "whole"
        kept = prepare(recording, preparation.model_copy(update={"masks": "none", "roi": roi}))
        return _write(kept, store, kept_because=f"{error}; it was kept whole")


def _odd_distances(recording: Recording) -> tuple[str, ...]:
    """Return what is odd about a recording's distances; raises `DatasetError` for what no sensor measures."""
    if recording.depth is not None and recording.depth.is_depth:
        return check_distance(recording.depth, recording.depth_unit_mm)
    if recording.depth is None and recording.masked_depth is not None and recording.masked_depth.is_depth:
        return check_distance(recording.masked_depth, 1.0)
    return ()


def _check_skeleton(recording: Recording, *, accept_short: bool) -> None:
    """Raise `DamagedError` where the skeleton, which has a frame for each of its stream, is of another length.

    What differs by less is told in a warning.
    """
    stream = next((found for found in (recording.depth, recording.masked_depth, recording.rgb) if found), None)
    num_bodies = len(recording.skeleton)
    if not num_bodies or stream is None or accept_short:
        return
    if abs(num_bodies - stream.num_frames) > max(_FEW_FRAMES, _FEW_OF_ALL * num_bodies):
        raise DamagedError(f"{stream.name}: has {stream.num_frames} frames, its skeleton {num_bodies}; copy both again")


def _write(prepared: PreparedRecording, store: Store, *, kept_because: str | None = None) -> ClipRecord:
    streams = prepared.preparation.streams
    with store.writer(prepared.recording.name, streams) as writer:
        num_color = prepared.recording.rgb.num_frames if prepared.recording.rgb is not None else None
        num_depth = prepared.depth.num_frames if prepared.depth is not None else None
        if "rgb" in streams:
            num_color = _write_color(prepared, writer, num_depth)
        written = _Written(num_color, num_depth)
        if "depth" in streams:
            written = _write_depth(prepared, writer, written)
        if written.num_frames == 0:
            streams_read = (prepared.recording.rgb, prepared.depth)
            empty = next(stream for stream in streams_read if stream is not None and stream.num_frames == 0)
            raise DatasetError(f"{empty.name}: holds no frames; copy it again")
        if kept_because is None and (reason := _why_empty(prepared, written)):
            raise EmptyDepthError(reason)
    return _record(prepared, written, kept_because)


def _write_color(prepared: PreparedRecording, writer: ClipWriter, num_depth: int | None) -> int:
    """Write the frames that have depth, if there is any; return how many there are."""
    quality = _JPEG_QUALITY[prepared.preparation.roi == "legacy"]
    num_frames = 0
    # The video is read to its end even past the last depth frame: a broken end has to be found.
    for picture in prepared.pictures():
        if num_depth is None or num_frames < num_depth:
            writer.add("rgb", prepared.crop_color(picture, num_frames), jpeg_quality=quality)
        num_frames += 1
    return num_frames


def _write_depth(prepared: PreparedRecording, writer: ClipWriter, promised: _Written) -> _Written:
    """Write the frames that have colour, if there is any; return what there is of both streams."""
    shares, shows_anything = [], False
    for frame, share in prepared.depth_frames():
        writer.add("depth", frame)
        shares.append(share)
        shows_anything = shows_anything or bool(frame.any())
        if len(shares) == promised.num_frames:
            return _Written(promised.num_color, promised.num_depth, shares, shows_anything)
    return _Written(promised.num_color, len(shares), shares, shows_anything)


def _why_empty(prepared: PreparedRecording, written: _Written) -> str | None:
    """Return why depth shows nothing, or nobody where it is masked; None where it shows something."""
    num_frames = written.num_frames
    is_scraps = prepared.masked is not None and written.mask_coverage < MIN_MASK_COVERAGE
    if written.shows_anything and not is_scraps:
        return None
    where = "" if prepared.preparation.roi == "whole" else " inside the box that frames are cropped to"
    if prepared.masked is None:
        return f"none of its {num_frames} depth frames holds a measurement{where}"
    if not is_scraps:
        return f"none of its {num_frames} depth frames shows a body{where}"
    if written.num_empty_masks < num_frames:
        return (
            f"a body was found in {num_frames - written.num_empty_masks} of its {num_frames} depth frames only, and "
            f"covers {written.mask_coverage:.2%} of them on average: too little for a person"
        )
    return f"no body was found in any of its {num_frames} depth frames"


def _record(prepared: PreparedRecording, written: _Written, kept_because: str | None) -> ClipRecord:
    recording, depth, boxes = prepared.recording, prepared.depth, prepared.boxes
    color_size = recording.rgb.size if recording.rgb is not None else None
    is_masked = prepared.masked is not None
    return ClipRecord(
        clip=recording.name,
        status="done",
        streams=prepared.preparation.streams,
        num_frames=written.num_frames,
        rgb_frames_in=written.num_color,
        depth_frames_in=written.num_depth,
        color_size=color_size,
        depth_size=depth.size if depth is not None else None,
        roi=prepared.preparation.roi,
        box_color_px=boxes.only if color_size else None,
        box_depth_px=depth_box(boxes.only, prepared.registration) if boxes.only and depth is not None else None,
        registration=prepared.registration.source if color_size and depth is not None else None,
        mask_source=prepared.masked.source if prepared.masked is not None else None,
        mask_coverage=round(written.mask_coverage, 5) if is_masked else None,
        empty_masks=written.num_empty_masks if is_masked else None,
        warnings=(
            *filter(None, [kept_because]),
            *_damage(prepared),
            *prepared.warnings,
            *_counting_warnings(prepared, written),
        ),
    )


def _damage(prepared: PreparedRecording) -> tuple[str, ...]:
    """Return what is missing or broken in the streams that were written and read."""
    streams = (prepared.recording.rgb, prepared.depth)
    return tuple(f"{stream.name}: {'; '.join(stream.damage)}" for stream in streams if stream and stream.damage)


def _counting_warnings(prepared: PreparedRecording, written: _Written) -> tuple[str, ...]:
    found = []
    if prepared.masked is not None and written.num_empty_masks:
        found.append(f"{written.num_empty_masks} of {written.num_frames} depth frames show no body")
    if written.num_color is not None and written.num_depth is not None and written.num_color != written.num_depth:
        found.append(
            f"{written.num_color} colour frames but {written.num_depth} of depth; the first {written.num_frames} were "
            "kept"
        )
    return tuple(found)
