"""One lens that two streams of a file are seen through, in frames of different sizes."""

from collections.abc import Sequence

from rgbd.camera.calibration import IDENTITY, Intrinsics, StreamCamera
from rgbd.recording.streams import StreamReader
from rgbd.types import Size

_SAME_SHAPE = 0.02  # by which the scales of width and height may differ: 1920x1440 is not 256x192 to the last bit


def share_lens(streams: Sequence[StreamReader], lens: Intrinsics | None, reference: str) -> None:
    """Say of streams that one lens took them all, in whose frame of reference they lie."""
    for stream in streams:
        known = scaled(lens, stream.size) if lens is not None else None
        stream.camera = StreamCamera(known, reference, IDENTITY)


def scaled(lens: Intrinsics, size: Size) -> Intrinsics | None:
    """Return a lens as it is for frames of the same view in another size; None where they show another part of it."""
    if min(*size, *lens.size) < 1:  # of a video that is damaged
        return None
    across, down = (new / old for new, old in zip(size, lens.size, strict=True))
    if abs(across / down - 1) > _SAME_SHAPE:
        return None
    return lens.scaled(size)
