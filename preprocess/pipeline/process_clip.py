"""One recording -> its frames in the data set, and the record of what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from preprocess.pipeline.added_stream import prepare_beside
from rgbd.clip.pairing import Pairing
from rgbd.clip.preparation import Preparation
from rgbd.clip.prepare import prepare
from rgbd.clip.prepared_recording import PreparedRecording
from rgbd.dataset.records import MIN_MASK_COVERAGE, ClipRecord
from rgbd.dataset.store import ClipWriter, Store
from rgbd.errors import DamagedError, DatasetError
from rgbd.people.boxes import depth_box
from rgbd.recording.depth import check_distance
from rgbd.recording.recording import Recording
from rgbd.recording.streams import MiscountedError

# Recorders end streams a frame or two after each other. A file that was cut lacks more than that.
_FEW_FRAMES, _FEW_OF_ALL = 3, 0.05

OnEmpty = Literal["fail", "keep"]
"""What becomes of a clip without anything in any depth frame: it fails, or is kept whole."""


class EmptyDepthError(DatasetError):
    """No depth frame of a clip would show anything."""


@dataclass(frozen=True)
class _Written:
    """What was written of a recording: which frames of each stream, and the share that masks keep of each of depth."""

    kept: Pairing
    mask_shares: Sequence[float] = ()
    shows_anything: bool = True

    @property
    def num_frames(self) -> int:
        return self.kept.num_frames

    @property
    def mask_coverage(self) -> float:
        return float(np.mean(self.mask_shares)) if self.mask_shares else 0.0

    @property
    def num_empty_masks(self) -> int:
        return sum(share == 0 for share in self.mask_shares)


def process(
    recording: Recording,
    preparation: Preparation,
    on_empty: OnEmpty,
    store: Store,
    before: ClipRecord | None = None,
    *,
    accept_short: bool = False,
) -> ClipRecord:
    """Write the preparation's streams of one recording, all or none, and return the record.

    before: the record of what an earlier run has written of it, and is to stay; where that shows another part of the
    recording than it would beside these streams, it is written again, too. Raises `UserError` for a recording that
    cannot be used, and `DamagedError` for one that is shorter than its skeleton unless `accept_short`; what else is odd
    are the record's warnings.
    """
    _check_skeleton(recording, accept_short=accept_short)
    if "depth" in preparation.streams:
        recording = replace(recording, warnings=(*recording.warnings, *_odd_distances(recording)))
    while True:
        try:
            return _process(recording, preparation, on_empty, store, before)
        except MiscountedError:
            continue  # the video is counted now


def _process(
    recording: Recording, preparation: Preparation, on_empty: OnEmpty, store: Store, before: ClipRecord | None
) -> ClipRecord:
    prepared = prepare(recording, preparation) if before is None else prepare_beside(before, recording, preparation)
    try:
        return _write(prepared, store)
    except EmptyDepthError as error:
        if on_empty == "fail":
            remedy = "--on-empty keep keeps such recordings whole"
            if preparation.masks != "none":
                remedy += ", --masks none all depth of every recording"
            if prepared.searched_by is not None and prepared.searched_by.doubt:
                remedy += f"; {prepared.searched_by.doubt}"
            raise EmptyDepthError(f"{error}; {remedy}") from error
        # Colour that was written before stays, and depth has to show the same part.
        streams = prepared.preparation.streams
        roi = preparation.roi if recording.rgb is not None and "rgb" not in streams else "whole"
        update = {"streams": streams, "masks": "none", "roi": roi}
        kept = prepare(recording, preparation.model_copy(update=update))
        return _write(kept, store, kept_because=f"{error}; it was kept whole")


def _odd_distances(recording: Recording) -> tuple[str, ...]:
    """Return what is odd about a recording's distances; raises `MediaError` for what no sensor measures."""
    depth = recording.depth or recording.masked_depth
    return check_distance(depth, recording.depth_unit_mm) if depth is not None and depth.is_depth else ()


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
        written = _Written(prepared.kept)
        if "rgb" in streams:
            num_written = _write_color(prepared, written.kept, writer)
            written = _Written(_counted(prepared, written.kept, num_written))
        if "depth" in streams:
            written = _write_depth(prepared, written.kept, writer)
        if kept_because is None and (reason := _why_empty(prepared, written)):
            raise EmptyDepthError(reason)
    return _record(prepared, written, kept_because)


def _write_color(prepared: PreparedRecording, kept: Pairing, writer: ClipWriter) -> int:
    """Write the frames to keep, and return how many there were."""
    quality = prepared.preparation.jpeg_quality
    places, num_written = kept.places["rgb"], 0
    # The video is read to its end even past the last depth frame: a broken end has to be found.
    for place, picture in enumerate(prepared.pictures()):
        if num_written < len(places) and place == places[num_written]:
            image = prepared.crop_color(picture, int(kept.by_depth[num_written]))
            writer.add("rgb", image, jpeg_quality=quality)
            num_written += 1
    return num_written


def _write_depth(prepared: PreparedRecording, kept: Pairing, writer: ClipWriter) -> _Written:
    shares, shows_anything = [], False
    for frame, share in prepared.depth_frames(kept.places["depth"]):
        writer.add("depth", frame)
        shares.append(share)
        shows_anything = shows_anything or bool(frame.any())
    if "rgb" in prepared.preparation.streams and len(shares) < kept.num_frames:
        raise MiscountedError  # more of colour was written
    return _Written(_counted(prepared, kept, len(shares)), shares, shows_anything)


def _counted(prepared: PreparedRecording, kept: Pairing, num_written: int) -> Pairing:
    """Return what is to be kept now that a stream has been read, and so was counted.

    Raises `MiscountedError` where that is not what was written: this many of the frames that were to be kept before.
    """
    now = prepared.pair()
    if now.num_frames != num_written or not now.is_start_of(kept):
        raise MiscountedError
    return now


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
    camera = prepared.searched_by if is_masked else None
    return ClipRecord(
        clip=recording.name,
        status="done",
        streams=prepared.preparation.streams,
        num_frames=written.num_frames,
        duration_s=written.kept.duration_s,
        rgb_frames_in=recording.rgb.num_frames if recording.rgb is not None else None,
        depth_frames_in=depth.num_frames if depth is not None else None,
        aligned_by=written.kept.by,
        color_size=color_size,
        depth_size=depth.size if depth is not None else None,
        roi=prepared.preparation.roi,
        box_color_px=boxes.only if color_size else None,
        box_depth_px=depth_box(boxes.only, prepared.registration) if boxes.only and depth is not None else None,
        registration=prepared.registration.source if color_size and depth is not None else None,
        mask_source=prepared.masked.source if prepared.masked is not None else None,
        depth_camera=camera.name if camera is not None else None,
        mask_coverage=round(written.mask_coverage, 5) if is_masked else None,
        empty_masks=written.num_empty_masks if is_masked else None,
        warnings=(
            *filter(None, [kept_because]),
            *_damage(prepared),
            *prepared.warnings,
            *_mask_warnings(prepared, written),
            *written.kept.warnings,
        ),
    )


def _damage(prepared: PreparedRecording) -> tuple[str, ...]:
    """Return what is missing or broken in the streams that were written and read."""
    streams = (prepared.recording.rgb, prepared.depth)
    return tuple(f"{stream.name}: {'; '.join(stream.damage)}" for stream in streams if stream and stream.damage)


def _mask_warnings(prepared: PreparedRecording, written: _Written) -> tuple[str, ...]:
    if prepared.masked is None or not written.num_empty_masks:
        return ()
    return (f"{written.num_empty_masks} of {written.num_frames} depth frames show no body",)
