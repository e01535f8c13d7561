"""Whether a recording was prepared before, or is as the camera wrote it."""

from export.predictor.clip_request import ClipRequest
from export.predictor.decoded_clip import DecidedBy
from export.predictor.opened_files import Streams, file_named
from rgbd.clip.appearance import Look, differences, look_of, shows_background
from rgbd.recording.formats import is_original
from rgbd.recording.streams import StreamReader, frame_of, no_frames
from rgbd.types import Stream


def was_prepared(streams: Streams, request: ClipRequest) -> tuple[bool, DecidedBy]:
    """Return whether a recording was prepared as the training clips were, and what tells it.

    What the request says counts. A bundle that does not know how its training clips were prepared takes all recordings
    for such clips. Files that only cameras and data sets write were never prepared. Else their frames tell.
    """
    if (told := _as_told(request)) is not None:
        return told
    if any(is_original(file.path) for file, _ in streams.values()):
        return False, "format"
    return _by_looks(streams, request)


def frames_were_prepared(streams: Streams, request: ClipRequest) -> tuple[bool, DecidedBy]:
    """Return the same of frames that come without a file."""
    return _as_told(request) or _by_looks(streams, request)


def _as_told(request: ClipRequest) -> tuple[bool, DecidedBy] | None:
    if request.preparation is None:
        return True, "bundle"
    return None if request.meta.prepared is None else (request.meta.prepared, "meta")


def _by_looks(streams: Streams, request: ClipRequest) -> tuple[bool, DecidedBy]:
    """Depth's frames tell, and, where there is none, those of colour.

    They were prepared if they have the shape and the size of the training clips, and no background where those have
    none.
    """
    stream: Stream = "depth" if "depth" in streams else "rgb"
    with file_named(streams, stream):
        return _looks_prepared(stream, streams[stream][1], request), "looks"


def _looks_prepared(stream: Stream, reader: StreamReader, request: ClipRequest) -> bool:
    # Of a stream that the model does not look at, nothing is known but what is done to the others.
    trained_on = request.trained_on.get(stream) or next(iter(request.trained_on.values()))
    if differences(Look(*reader.size, None), trained_on):
        return False
    assert request.preparation is not None
    if stream == "rgb" or request.preparation.masks == "none":
        return True
    first = next(iter(reader.read([0])), None)
    if first is None:
        raise no_frames(reader)
    return not shows_background(look_of([frame_of(first)], stream), trained_on)
