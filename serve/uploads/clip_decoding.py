"""A clip's way out of a decoder process, and one to try that with."""

from pathlib import Path

import numpy as np

from export.predictor.clip_reading import read_clip
from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from export.predictor.decoded_clip import ClipFacts, DecodedClip
from rgbd.clip.spec import ClipSpec
from rgbd.recording.limits import Limits
from rgbd.recording.videos.video import write_video
from serve.uploads.ipc import DecoderReply


def decode_clip(request: ClipRequest) -> DecoderReply[ClipFacts]:
    """Return the request's clips, to be sent; runs in a decoder process, and raises as `read_clip` does."""
    clip = read_clip(request)
    return DecoderReply(clip.facts, clip.arrays)


def received(reply: DecoderReply[ClipFacts]) -> DecodedClip:
    """Return the clips that have come from a decoder process."""
    return DecodedClip(reply.facts, reply.arrays)


def tiny_request(folder: Path) -> ClipRequest:
    """Return a request for two small frames of colour, whose video is written to a folder."""
    num_frames, side = 2, 32
    path = folder / "rgb.mkv"
    write_video(path, [np.zeros((side, side, 3), np.uint8)] * num_frames)
    limits = Limits(num_frames, side * side, 1.0, any_container=False)
    spec = ClipSpec(num_frames=num_frames, resize=(side, side), crop=(side, side), size=(side, side))
    return ClipRequest((StreamFile("rgb", path, path.name),), RecordingMeta(), limits, spec, ("rgb",))
