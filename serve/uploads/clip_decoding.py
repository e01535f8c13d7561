"""A clip's way out of a decoder process."""

from export.predictor.clip_reading import read_clip
from export.predictor.clip_request import ClipRequest
from export.predictor.decoded_clip import ClipFacts, DecodedClip
from serve.uploads.ipc import DecoderReply


def decode_clip(request: ClipRequest) -> DecoderReply[ClipFacts]:
    """Return the request's clips, to be sent; runs in a decoder process, and raises as `read_clip` does."""
    clip = read_clip(request)
    return DecoderReply(clip.facts, clip.arrays)


def received(reply: DecoderReply[ClipFacts]) -> DecodedClip:
    """Return the clips that have come from a decoder process."""
    return DecodedClip(reply.facts, reply.arrays)
