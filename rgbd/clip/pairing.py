"""Which frames are kept of a recording: those that all of its streams show, each with what was taken with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from rgbd.clip.alignment import AlignedBy, Alignment
from rgbd.errors import DatasetError, MediaError
from rgbd.recording.streams import StreamReader
from rgbd.recording.timeline import Indices, Timeline
from rgbd.types import Stream

_NAMES: dict[Stream, str] = {"rgb": "colour", "depth": "depth"}


@dataclass(frozen=True, eq=False)
class Pairing:
    """The frames that are kept of each stream that there is, int64 [N]; the n-th of both were taken together.

    timeline: when each was taken. by: how it is known what was taken together; None for one stream alone. warnings:
    what is odd about it, in words.
    """

    places: Mapping[Stream, Indices]
    timeline: Timeline
    by: AlignedBy | None = None
    warnings: tuple[str, ...] = ()

    @property
    def num_frames(self) -> int:
        """How many frames are kept of each stream."""
        return len(self.by_depth)

    @property
    def duration_s(self) -> float | None:
        """How long they last together, in seconds; None where nobody knows, as of a single frame."""
        return round(self.timeline.end - self.timeline.start, 3) or None if self.timeline.is_timed else None

    @property
    def by_depth(self) -> Indices:
        """The number of each in depth, by which skeletons, masks and boxes count; in colour, where that is alone."""
        return self.places["depth" if "depth" in self.places else "rgb"]

    @property
    def alignment(self) -> Alignment:
        """The kept frames of all streams beside each other: those of the same number were taken together."""
        return Alignment(dict.fromkeys(self.places, self.timeline))

    @property
    def is_from_start(self) -> bool:
        """Whether they are the first frames of each stream, each once."""
        return all(np.array_equal(kept, np.arange(len(kept))) for kept in self.places.values())

    def is_start_of(self, other: "Pairing") -> bool:
        """Return whether another pairing of the same streams begins with these frames, or has no others."""
        return all(np.array_equal(kept, other.places[stream][: len(kept)]) for stream, kept in self.places.items())


def pair_streams(readers: Mapping[Stream, StreamReader], fps: Mapping[Stream, float | None]) -> Pairing:
    """Return which frames of one or two streams are kept; the first leads: of it, all frames that both show.

    Of the other stream, those that were taken nearest to them: one may be there twice, or never. Tracks of a file share
    its clock, files begin together. fps: of streams that do not know their times; where that is not known either,
    frames of the same number are taken together. Raises `MediaError` where a stream holds no frames, and
    `DatasetError` where none can be kept.
    """
    lines = {stream: reader.timeline(fps.get(stream)) for stream, reader in readers.items()}
    (leader, line), *others = lines.items()
    if not others:
        return Pairing({leader: np.arange(len(line.clock), dtype=np.int64)}, line)
    names = [reader.name for reader in readers.values()]
    share_clock = len(set(names)) == 1  # a file's tracks are called as the file is
    alignment = Alignment(lines, share_clock=share_clock)
    try:
        pairs = alignment.pairs()
    except MediaError as error:
        raise DatasetError(f"{' and '.join(dict.fromkeys(names))}: {error}") from error
    counting = _when_in_step(lines, pairs) if alignment.is_in_step else _when_by_time(lines, pairs, alignment)
    kept = Timeline(line.clock[pairs[leader]], line.is_timed)
    return Pairing(pairs, kept, alignment.by, (*counting, *_offset(lines, share_clock=share_clock)))


def _when_in_step(lines: Mapping[Stream, Timeline], pairs: Mapping[Stream, Indices]) -> Iterator[str]:
    num_color, num_depth = (len(lines[stream].clock) for stream in ("rgb", "depth"))
    if num_color == num_depth:
        return
    yield f"{num_color} colour frames but {num_depth} of depth; the first {len(pairs['rgb'])} were kept"
    untimed = [_NAMES[stream] for stream, line in lines.items() if not line.is_timed]
    if len(untimed) == 1:
        yield f"{untimed[0]} knows no times, unlike the other stream: frames of the same number were taken together"


def _when_by_time(
    lines: Mapping[Stream, Timeline], pairs: Mapping[Stream, Indices], alignment: Alignment
) -> Iterator[str]:
    totals = {stream: len(line.clock) for stream, line in lines.items()}
    unused = {stream: totals[stream] - len(np.unique(pairs[stream])) for stream in totals}
    yield (
        f"{totals['rgb']} colour frames and {totals['depth']} of depth were paired by time; {unused['rgb']} of colour "
        f"and {unused['depth']} of depth are not used"
    )
    farthest_s = alignment.farthest(pairs)
    if farthest_s > max(line.interval for line in lines.values()):
        yield f"colour frames and the depth frames nearest to them lie up to {farthest_s:.2f} s apart"


def _offset(lines: Mapping[Stream, Timeline], *, share_clock: bool) -> Iterator[str]:
    if not all(line.is_timed for line in lines.values()):
        return
    offset_s = lines["depth"].start - lines["rgb"].start
    if abs(offset_s) <= lines["rgb"].interval / 2:
        return
    later = f"{abs(offset_s):.2f} s {'after' if offset_s > 0 else 'before'} colour"
    if share_clock:
        yield f"depth begins {later}"
    else:
        yield (
            f"depth begins {later} by the times in the two files, which were taken to begin together; where both are "
            "of one clock, write them as tracks of one file"
        )
