"""Which of a file's streams is meant as colour, and which as depth."""

from collections.abc import Mapping, Sequence

from rgbd.errors import MediaError
from rgbd.recording.streams import StreamReader
from rgbd.types import Stream

TITLES: Mapping[Stream, str] = {"rgb": "COLOR", "depth": "DEPTH"}
"""What tracks are called in our own files, and in those of an Azure Kinect."""

_MAX_SHOWN = 30


def choose_tracks(
    readers: Sequence[StreamReader], streams: Sequence[Stream], names: Mapping[Stream, str]
) -> dict[Stream, StreamReader]:
    """Return the readers that are meant for these streams, as far as a file, of which all are, has them.

    One that `names` calls by its track is taken; else one of the kind, which has to be the only one, the only one that
    is called COLOR or DEPTH, or the first of tracks without names. Depth may be 8-bit images where there is nothing
    better; of a file of both streams, those of a track without a name, or called DEPTH. Raises `MediaError` where no
    track has a name, several are of a kind, or none is meant.
    """
    chosen: dict[Stream, StreamReader] = {}
    for stream in streams:
        left = [reader for reader in readers if reader not in chosen.values()]
        if (name := names.get(stream)) is not None:
            chosen[stream] = _named(name, readers)
        elif candidates := _of_kind(stream, left, is_alone=len(streams) == 1):
            chosen[stream] = _only(stream, candidates)
    if not chosen:
        raise MediaError(f"{readers[0].name}: holds 16-bit depth, and no colour; give it as depth")
    return chosen


def _named(name: str, readers: Sequence[StreamReader]) -> StreamReader:
    for reader in readers:
        if reader.track == name:
            return reader
    raise MediaError(f"{readers[0].name}: has no track {name!r}, but {listed(readers)}")


def _of_kind(stream: Stream, readers: Sequence[StreamReader], *, is_alone: bool) -> list[StreamReader]:
    colors = [reader for reader in readers if not reader.is_depth]
    if stream == "rgb":
        return colors
    as_images = [reader for reader in colors if is_alone or reader.track in ("", TITLES["depth"])]
    return [reader for reader in readers if reader.is_depth] or as_images


def _only(stream: Stream, candidates: Sequence[StreamReader]) -> StreamReader:
    first, *others = (reader for reader in candidates if not _is_twin(reader, candidates))
    if others and first.track:
        called = [reader for reader in candidates if reader.track == TITLES[stream]]
        if len(called) == 1:
            return called[0]
        what = "colour" if stream == "rgb" else "depth"
        raise MediaError(
            f"{first.name}: has several tracks of {what}: {listed([first, *others])}; choose one by its name: "
            f"{stream}_track"
        )
    return first


def _is_twin(reader: StreamReader, candidates: Sequence[StreamReader]) -> bool:
    """Return whether a topic has the images of another one, compressed, as ROS names it."""
    return any(reader.track.startswith(f"{other.track}/") for other in candidates if other.track)


def listed(readers: Sequence[StreamReader]) -> str:
    """Return the tracks of a file, in words."""
    words = [
        f"{reader.track or 'one without a name'} ({'depth' if reader.is_depth else 'colour'}, "
        f"{reader.size[0]}x{reader.size[1]}, {reader.num_frames} frames)"
        for reader in readers
    ]
    more = [f"{len(words) - _MAX_SHOWN} more"] if len(words) > _MAX_SHOWN else []
    return ", ".join([*words[:_MAX_SHOWN], *more])
