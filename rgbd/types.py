"""The types that all packages share."""

from collections.abc import Callable, Collection
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Stream = Literal["rgb", "depth"]
"""One of the two pictures that an RGB-D camera takes."""

Modality = Literal["rgb", "depth", "rgbd"]
"""What a network looks at: one stream, or both."""

Frame = NDArray[np.uint8] | NDArray[np.uint16]
"""uint8 RGB [H, W, 3], or uint16 depth [H, W]."""

Depth = NDArray[np.uint16]
"""uint16 millimetres [H, W]; 0 where nothing was measured."""

Mask = NDArray[np.bool_]
"""bool [H, W]: which pixels of a depth frame are meant."""

MaskOfFrame = Callable[[int, Depth], Mask]
"""The number of a frame in its recording, and the frame -> its mask."""

Size = tuple[int, int]
"""(width, height) in pixels."""

Box = tuple[int, int, int, int]
"""(x0, y0, x1, y1) in pixels, half-open."""


def streams_of(modality: Modality) -> tuple[Stream, ...]:
    """Return the streams that a network of this modality looks at, in the order of its arguments."""
    return get_args(Stream) if modality == "rgbd" else (modality,)


def in_order(streams: Collection[Stream]) -> tuple[Stream, ...]:
    """Return these streams, each once, colour first."""
    return tuple(stream for stream in get_args(Stream) if stream in streams)
