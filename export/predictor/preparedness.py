"""Whether a recording was prepared before, or is as the camera wrote it."""

from export.predictor.clip_request import ClipRequest
from export.predictor.decoded_clip import DecidedBy
from export.predictor.opened_files import Streams, all_named
from rgbd.clip.appearance import Look, differences, look_of, shows_background
from rgbd.recording.streams import StreamReader, frame_of
from rgbd.types import Stream


def was_prepared(streams: Streams, request: ClipRequest) -> tuple[bool, DecidedBy]:
    """Return whether a recording was prepared as the training clips were, and what tells it.

    What the request says counts. A bundle that does not know how its training clips were prepared takes all recordings
    for such clips. Else depth's frames tell, and, where there is none, those of colour: they were prepared if they have
    the shape and the size of the training clips, and no background where those have none. Where only one of the streams
    looks like that, and their frames are not of one size, one stream was prepared: both are taken as they come, and the
    answer says what looks odd.
    """
    if request.preparation is None:
        return True, "bundle"
    if request.meta.prepared is not None:
        return request.meta.prepared, "meta"
    with all_named(streams):
        looked_at = {stream: streams[stream][1] for stream in request.streams if stream in streams}
        prepared = {stream: _looks_prepared(stream, reader, request) for stream, reader in looked_at.items()}
    if len(set(prepared.values())) > 1 and len({reader.size for reader in looked_at.values()}) > 1:
        return True, "looks"
    return prepared.get("depth", prepared.get("rgb", True)), "looks"


def _looks_prepared(stream: Stream, reader: StreamReader, request: ClipRequest) -> bool:
    trained_on = request.trained_on.get(stream)
    if trained_on is None:
        return False
    if differences(Look(*reader.size, None), trained_on):
        return False
    if stream == "rgb":
        return True
    first = frame_of(next(iter(reader.read([0]))))
    return not shows_background(look_of([first], stream), trained_on)
