"""Why a network answered as it did: maps over a clip's frames, and matrices, which a report draws."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class FrameMaps:
    """A value for every place of every frame: float32 [T, h, w] in [0, 1]; drawn over the frames, or beside them."""

    name: str
    values: Maps
    over_frames: bool


@dataclass(frozen=True)
class StreamExplanation:
    """What one stream looked at in a clip of T frames, and matrices of values from 0 up, by name."""

    maps: tuple[FrameMaps, ...]
    matrices: Mapping[str, Maps]


@dataclass(frozen=True)
class Explanation:
    """A clip's streams in the order of the network's arguments; `caption` tells a reader what is drawn.

    `similarity` float32 [heads, heads] is how similarly the heads answer, in the order of `head_names`.
    """

    caption: str
    streams: tuple[StreamExplanation, ...]
    similarity: Maps
    head_names: tuple[str, ...]


def head_similarity(heads: Mapping[str, Tensor]) -> Maps:
    """Return the cosine of each two heads' scores [1, N] of one clip, less their means: float32 [heads, heads]."""
    scores = torch.cat(list(heads.values())).detach().float()
    scores = F.normalize(scores - scores.mean(1, keepdim=True), dim=1)
    return array_of(scores @ scores.T)


def array_of(tensor: Tensor) -> Maps:
    """Return a tensor as a float32 array."""
    return tensor.detach().float().cpu().numpy()
