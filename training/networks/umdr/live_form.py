"""The networks for streams without end: what comes before the first recoupling is computed once for each frame.

Recoupling reads the frames of a window together, so that all after it is computed for each window anew; but most of the
work lies before. There frames meet in the pools over time of two Inception blocks alone, as in the first family.
"""

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from rgbd.types import Size, Stream
from training.networks.dsn.guidance import normalise
from training.networks.dsn.inference_forms import fold_batch_norms
from training.networks.dsn.live_form import Past, behind, one_later
from training.networks.live import LiveForm
from training.networks.umdr.fusion import FusionNet, FusionOutput
from training.networks.umdr.single_stream import UnimodalNet, UnimodalOutput
from training.networks.umdr.spatial import Stage

_LAG = 2  # frames; one for each block of the first stage
_HISTORY = _LAG - 1  # what the second block takes is one frame old


def live_form(network: UnimodalNet | FusionNet, stream: Stream, size: Size) -> LiveForm:
    """Return a copy of the network in evaluation, for frames of this (width, height).

    stream: whose network it is, where it is of one. Features are the maps that the first recoupling takes.
    """
    network = cast(UnimodalNet | FusionNet, fold_batch_norms(network))
    streams: Mapping[Stream, UnimodalNet] = (
        {"rgb": network.rgb, "depth": network.depth} if isinstance(network, FusionNet) else {stream: network}
    )
    features = {stream: LiveStage(one) for stream, one in streams.items()}
    shape, state_shapes = next(iter(features.values())).shapes(size)
    return LiveForm(
        features=features,
        head=LiveHead(network, shape),
        at_once={stream: stage.at_once for stream, stage in features.items()},
        dim=math.prod(shape),
        state_shapes=state_shapes,
        history=_HISTORY,
        lag=_LAG,
    )


class LiveStage(nn.Module):
    """A stream as far as its first recoupling, a few frames at a time; its batch norms are folded."""

    def __init__(self, network: UnimodalNet) -> None:
        super().__init__()
        self.spatial = network.spatial
        self.stage = cast(Stage, network.spatial.stages[0])

    def forward(self, frames: Tensor, seen: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """See `LiveForm.features`."""
        past = Past(states)
        maps = self._maps(frames, seen, past)
        return maps.flatten(1).unflatten(0, (frames.shape[0], -1)), *past.next_states

    def shapes(self, size: Size) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        """Return the shapes of a frame's maps and of the states, without the batch, for frames of (width, height)."""
        frames = torch.zeros(1, _HISTORY + 1, *reversed(size), 3, dtype=torch.uint8)
        past = Past(())
        with torch.no_grad():
            (maps,) = self._maps(frames, torch.zeros(frames.shape[:2]), past)
        return tuple(maps.shape), tuple(tuple(state.shape[1:]) for state in past.next_states)

    def at_once(self, clip: Tensor) -> Tensor:
        """Uint8 frames [B, T, H, W, 3] of a whole clip -> its features [B, T, dim]."""
        return self.spatial.first_maps(normalise(clip)).flatten(1).unflatten(0, clip.shape[:2])

    def _maps(self, frames: Tensor, seen: Tensor, past: Past) -> Tensor:
        x = self.spatial.stem(normalise(frames[:, _HISTORY:]).flatten(0, 1))
        for lag, block in enumerate((self.stage.first, self.stage.second)):
            x = one_later(block, x, behind(seen, _HISTORY, lag), past)
        return self.stage.shrink(x)


class LiveHead(nn.Module):
    """All that follows the first stage in a window."""

    def __init__(self, network: UnimodalNet | FusionNet, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.network, self._shape = network, shape

    def forward(self, *features: Tensor) -> UnimodalOutput | FusionOutput:
        """[B, T, dim] of each stream -> what the network answers."""
        if isinstance(self.network, FusionNet):
            rgb, depth = features
            return self.network.fuse(self._answer(self.network.rgb, rgb), self._answer(self.network.depth, depth))
        (only,) = features
        return self._answer(self.network, only)

    def _answer(self, network: UnimodalNet, features: Tensor) -> UnimodalOutput:
        return network.answer(*network.spatial.recouple(features.flatten(0, 1).unflatten(1, self._shape)))
