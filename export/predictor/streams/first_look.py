"""What the last frames of a live stream show, and so how it is looked at from there on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from export.predictor.clip_request import ClipRequest, StreamFile
from export.predictor.opened_files import Streams
from export.predictor.preparedness import frames_were_prepared
from export.predictor.raw_source import NoSuchPersonError, RawSource
from export.predictor.streams.timed_sampling import Sampled
from rgbd.clip.ongoing import OngoingPreparation
from rgbd.recording.depth import frame_in_millimetres, odd_distances
from rgbd.recording.held import HeldStream
from rgbd.types import Box, Frame, Stream

ROOM = 1.05
"""How much wider and higher than people took in the first frames a box is; python -m benchmarks.live_first_look."""

_NAME = "live"  # what messages call the recording


@dataclass(frozen=True)
class View:
    """What is looked at from `time_s` on.

    is_waiting: whether nothing is, because nobody is in view who was asked for. num_people: how many were found; None
    where nobody was looked for. person: whom it is about, 1 being the largest; None: all that is there. box_px: what is
    cut out of every frame; None where nothing is. was_prepared: whether frames come prepared as the training clips
    were. warnings: sentences about what should be looked at.
    """

    time_s: float
    is_waiting: bool = False
    num_people: int | None = None
    person: int | None = None
    box_px: Box | None = None
    was_prepared: bool = False
    warnings: tuple[str, ...] = ()


def look(
    recent: Sequence[Sampled[Frame]], request: ClipRequest, unit_mm: float
) -> tuple[View, OngoingPreparation | None]:
    """Return what these frames show, as a recording of them would, and what prepares those that follow.

    None where there is nothing to prepare, or nobody is there. unit_mm: of depth. Raises `MediaError` for frames that
    cannot be used.
    """
    start_s = recent[0].time_s
    streams: Streams = {
        stream: (StreamFile(stream, Path(_NAME), _NAME), _held(recent, stream, unit_mm))
        for stream in request.useful_streams
        if stream in recent[0].frames
    }
    odd = _odd_distances(recent, unit_mm)
    was_prepared, decided_by = frames_were_prepared(streams, request)
    if was_prepared:
        return View(start_s, was_prepared=True, warnings=odd), None
    try:
        source = RawSource(streams, request, decided_by)
    except NoSuchPersonError:
        return View(start_s, is_waiting=True, warnings=odd), None
    if source.num_people == 0:
        return View(start_s, is_waiting=True, num_people=0, warnings=odd), None
    ongoing = source.ongoing(ROOM)
    view = View(
        start_s,
        num_people=source.num_people,
        person=source.subjects[0].person,
        box_px=ongoing.box_px,
        warnings=(*odd, *source.warnings),
    )
    return view, ongoing


def _held(recent: Sequence[Sampled[Frame]], stream: Stream, unit_mm: float) -> HeldStream:
    frames, times_s = [sampled.frames[stream] for sampled in recent], [sampled.time_s for sampled in recent]
    return HeldStream(_NAME, frames, times_s, unit_mm if stream == "depth" else None)


def _odd_distances(recent: Sequence[Sampled[Frame]], unit_mm: float) -> tuple[str, ...]:
    depth = (sampled.frames["depth"] for sampled in recent if "depth" in sampled.frames)
    return odd_distances((frame_in_millimetres(frame, unit_mm) for frame in depth), unit_mm, "depth")
