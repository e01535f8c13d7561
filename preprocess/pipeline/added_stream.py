"""A stream that is added to a clip, of which another was written before: both have to show the same part of it."""

from rgbd.clip.pairing import Pairing
from rgbd.clip.preparation import Preparation
from rgbd.clip.prepare import prepare
from rgbd.clip.prepared_recording import PreparedRecording
from rgbd.dataset.records import ClipRecord
from rgbd.errors import DatasetError
from rgbd.people.boxes import depth_box
from rgbd.recording.recording import Recording
from rgbd.types import in_order


def prepare_beside(before: ClipRecord, recording: Recording, preparation: Preparation) -> PreparedRecording:
    """Return the recording with the streams to write: the preparation's, and, where that is needed, those before.

    That is needed where doing all at once would give those before another box, other frames or another size. Raises
    `DatasetError` where their recording is gone, so that nothing can be laid over it, and as `prepare`.
    """
    gone = [stream for stream in before.streams if stream not in recording.streams]
    if gone:
        raise DatasetError(
            f"{recording.name}: {' and '.join(gone)} was written before, and what is added has to show the same part "
            "and the same moments of the recording; put that stream back, or name another --out"
        )
    streams = in_order({*before.streams, *preparation.streams})
    prepared = prepare(recording, preparation.model_copy(update={"streams": streams}))
    return prepared.only(preparation.streams) if _shows_the_same(before, prepared) else prepared


def _shows_the_same(before: ClipRecord, now: PreparedRecording) -> bool:
    """Return whether what was written before is what is written of it beside the other stream."""
    if before.roi != now.preparation.roi or not _has_the_frames(before, now.kept):
        return False
    if before.color_size is not None and before.depth_size is not None:  # the other stream was there, but not written
        return before.box_color_px == now.boxes.only and before.registration == now.registration.source
    if "rgb" in before.streams:
        return before.box_color_px is not None and before.box_color_px == now.boxes.only
    return before.roi == "legacy" or _lies_as_alone(before, now)  # legacy leaves depth whole


def _has_the_frames(before: ClipRecord, kept: Pairing) -> bool:
    if before.aligned_by is not None:
        return before.num_frames == kept.num_frames
    return kept.is_from_start and kept.num_frames <= before.num_frames


def _lies_as_alone(before: ClipRecord, now: PreparedRecording) -> bool:
    """Return whether depth that was cropped on its own lies over colour as it is."""
    is_aligned = (
        now.registration.source == "stretch"
        and now.recording.rgb is not None
        and before.depth_size == now.recording.rgb.size
    )
    box = now.boxes.only
    return is_aligned and box is not None and before.box_depth_px == depth_box(box, now.registration)
