"""Where the frames of clips come from: a recording that was prepared before, or one as the camera wrote it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from export.predictor.clip_request import ClipRequest, RecordingMeta
from export.predictor.decoded_clip import DecidedBy, PreparedAs, Subject
from export.predictor.opened_files import Streams, named
from rgbd.clip.alignment import Alignment, Part
from rgbd.errors import MediaError
from rgbd.recording.depth import frame_in_millimetres, unit_of
from rgbd.recording.limits import Limits
from rgbd.recording.streams import StreamReader, frame_of
from rgbd.recording.timeline import Indices
from rgbd.types import Frame, Stream


class FrameSource(Protocol):
    """A recording whose frames clips are made of. All of it is known when all frames that were chosen are read."""

    given: tuple[Stream, ...]
    """Of the streams that the model looks at, those that there are."""

    alignment: Alignment
    """Its frames, all streams beside each other."""

    num_subjects: int
    """About how many subjects there are clips: about each person that was asked for, or about all together."""

    def choose(self, part: Part, num_frames: int) -> dict[Stream, Indices]:
        """Return which frames of each stream stand for a part."""

    def read(self, subject: int, stream: Stream, groups: Sequence[Indices]) -> Iterator[list[Frame]]:
        """Yield groups of frames that were chosen, uint8 RGB [H, W, 3] or uint16 millimetres [H, W]; groups ascend."""

    @property
    def prepared(self) -> PreparedAs:
        """What was done to the recording."""

    @property
    def subjects(self) -> list[Subject]:
        """Whom the clips show."""

    @property
    def warnings(self) -> list[str]:
        """What should be looked at, in words."""


class PreparedSource:
    """A recording that was prepared before: its frames are taken as they come."""

    num_subjects = 1

    def __init__(self, streams: Streams, request: ClipRequest, decided_by: DecidedBy) -> None:
        if isinstance(request.people, int):
            raise MediaError(
                f"person {request.people}: this recording is taken as prepared, and nobody is told apart in it; leave "
                'person out, or say "prepared": false'
            )
        self._streams = {stream: opened for stream, opened in streams.items() if stream in request.streams}
        self.given = tuple(self._streams)
        self.alignment = align(self._streams, request.meta, request.limits)
        first = next(reader for _, reader in self._streams.values())
        self.prepared = PreparedAs(was_prepared=True, decided_by=decided_by, frame_size=first.size)
        self.subjects = [Subject()]
        self._depth_scale_mm = request.meta.depth_scale_mm

    def choose(self, part: Part, num_frames: int) -> dict[Stream, Indices]:
        """Return frames of each stream, spread evenly over a part."""
        return self.alignment.sample(part, num_frames)

    def read(self, _: int, stream: Stream, groups: Sequence[Indices]) -> Iterator[list[Frame]]:
        """Yield groups of frames as they are in the files."""
        file, reader = self._streams[stream]
        with named(file):
            unit_mm = unit_of(reader, self._depth_scale_mm)

            def read(places: list[int]) -> Iterator[Frame]:
                return (frame_in_millimetres(frame_of(picture), unit_mm) for picture in reader.read(places))

            yield from in_groups(read, groups)

    @property
    def warnings(self) -> list[str]:
        """What is odd about the files, and about the streams beside each other."""
        return [*_remainders(self.alignment), *odd_in_files(self._streams)]


def align(streams: Streams, meta: RecordingMeta, limits: Limits) -> Alignment:
    """Return the streams beside each other: tracks of one file by the file's times, files from their first frames."""
    lines = {}
    for stream, (file, reader) in streams.items():
        with named(file):
            line = reader.timeline(meta.fps_of(stream))
            if line.is_timed:
                limits.check_duration(line.end - line.start)
            lines[stream] = line
    return Alignment(lines, share_clock=len({file.path for file, _ in streams.values()}) == 1)


def in_groups(read: Callable[[list[int]], Iterator[Frame]], groups: Sequence[Indices]) -> Iterator[list[Frame]]:
    """Yield the frames of each group; groups ascend, so that the frames of one are forgotten before the next.

    read: yields the frames at places that ascend and differ.
    """
    wanted = sorted({int(index) for group in groups for index in group})
    frames = read(wanted)
    numbered = zip(wanted, frames, strict=False)
    kept: dict[int, Frame] = {}
    for group in groups:
        kept = {index: frame for index, frame in kept.items() if index >= group[0]}
        while group[-1] not in kept:
            place, frame = next(numbered)
            kept[place] = frame
        yield [kept[int(index)] for index in group]
    for _ in frames:  # to the end: only then a video is known to be counted rightly
        pass


def odd_in_files(streams: Streams) -> list[str]:
    """Return what is damaged in the files, and what else is odd about them, now that they are read."""
    return [
        *(f"{name}: {'; '.join(reader.damage)}" for name, reader in _by_name(streams) if reader.damage),
        *(f"{name}: {note}" for name, reader in _by_name(streams) for note in reader.notes),
    ]


def _by_name(streams: Streams) -> list[tuple[str, StreamReader]]:
    return [(f"{stream} ({file.name})", reader) for stream, (file, reader) in streams.items()]


def _remainders(alignment: Alignment) -> list[str]:
    counts = {stream: count for stream, count in alignment.outside().items() if count}
    if not counts:
        return []
    frames = " and ".join(num_frames(count, stream) for stream, count in counts.items())
    outside = f"{frames} {'was' if sum(counts.values()) == 1 else 'were'} left out"
    if alignment.by == "time":
        return [f"{outside}: the other stream shows nothing of that time"]
    return [
        f"{outside}: no times are known, so frames of the same number were taken together; where the rates differ, "
        "give fps and depth_fps"
    ]


def num_frames(count: int, *stream: Stream) -> str:
    """Return how many frames, in words."""
    return " ".join([str(count), *stream, "frame" if count == 1 else "frames"])
