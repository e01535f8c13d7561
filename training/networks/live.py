"""What a network is that goes on where it stopped: features of frames one after another, and scores of windows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from rgbd.types import Stream


@dataclass(frozen=True)
class LiveForm:
    """A network taken apart for streams without end, in evaluation.

    features: by stream, in the order of the network's arguments; a module of uint8 frames [B, history + n, H, W, 3], of
    which n are new, `seen`, float32 [B, history + n], 1 for a frame and 0 for what is none, before the first and after
    the last, and the states. It returns features [B, n, dim], of the n frames that end `lag` frames before the last,
    and the next states. state_shapes: those of the states of a stream, without the batch; they begin as zeros.
    head: a module of features [B, T, dim] of each stream; returns what the network returns.
    at_once: by stream, what makes features [B, T, dim] of a whole clip, which its edges change; the standard that the
    features of inner frames are held to.
    """

    features: Mapping[Stream, nn.Module]
    head: nn.Module
    at_once: Mapping[Stream, Callable[[Tensor], Tensor]]
    dim: int
    state_shapes: tuple[tuple[int, ...], ...]
    history: int
    lag: int
