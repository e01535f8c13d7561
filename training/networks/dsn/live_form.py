"""The networks for streams without end: each frame is computed once, and windows slide over its features.

Frames meet in guidance, which looks back, and in the pools over time of the Inception blocks, one frame each way. What
those need of earlier frames is a state that goes in and comes out. A block waits for the next frame, so that features
lag by one frame for each block.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rgbd.types import Size, Stream
from training.networks.dsn.fusion import FusionNet, FusionOutput
from training.networks.dsn.guidance import halve_until, normalise
from training.networks.dsn.inception import BLOCKS, Inception, max_pool_same
from training.networks.dsn.inference_forms import RankPoolAtOnce, fold_batch_norms
from training.networks.dsn.single_stream import Backbone, UnimodalNet, UnimodalOutput
from training.networks.live import LiveForm

_LAG = len(BLOCKS)
_STEM_STRIDE = 8


def live_form(network: UnimodalNet | FusionNet, stream: Stream, size: Size) -> LiveForm:
    """Return a copy of the network in evaluation, for frames of this (width, height).

    stream: whose network it is, where it is of one.
    """
    network = cast(UnimodalNet | FusionNet, fold_batch_norms(network))
    backbones: Mapping[Stream, Backbone] = (
        {"rgb": network.rgb, "depth": network.depth} if isinstance(network, FusionNet) else {stream: network.backbone}
    )
    features = {stream: LiveBackbone(backbone) for stream, backbone in backbones.items()}
    first = next(iter(features.values()))
    return LiveForm(
        features=features,
        head=LiveHead(network),
        at_once={stream: backbone.features for stream, backbone in backbones.items()},
        dim=first.dim,
        state_shapes=first.state_shapes(size),
        history=first.history,
        lag=_LAG,
    )


class LiveHead(nn.Module):
    """All that follows the spatial features of a window."""

    def __init__(self, network: UnimodalNet | FusionNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, *features: Tensor) -> UnimodalOutput | FusionOutput:
        """[B, T, dim] of each stream -> what the network answers."""
        if isinstance(self.network, FusionNet):
            rgb, depth = features
            return self.network.fuse(rgb, depth)
        (only,) = features
        return self.network.classify(self.network.backbone.temporal(only, None))


class LiveBackbone(nn.Module):
    """The spatial features of a stream, a few frames at a time; its batch norms are folded."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        window = 1 if backbone.guidance is None else backbone.guidance.window
        self.guidance = None if backbone.guidance is None else RankPoolAtOnce(window)
        self.spatial = backbone.spatial
        self.dim = cast(nn.Linear, self.spatial.project[-1]).out_features
        # What the last block takes is as many frames old as there are blocks before it.
        self.history = max(window - 1, _LAG - 1)

    def state_shapes(self, size: Size) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of the states, without the batch, for frames of this (width, height)."""
        frames = torch.zeros(1, self.history + 1, *reversed(size), 3, dtype=torch.uint8)
        with torch.no_grad():
            _, *states = self(frames, torch.zeros(frames.shape[:2]))
        return tuple(tuple(state.shape[1:]) for state in states)

    def forward(self, frames: Tensor, seen: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """See `LiveForm.features`; without states, those of the beginning."""
        past = Past(states)
        maps = self._maps(frames, seen, past)
        x = self.spatial.stem(normalise(frames[:, self.history :]).flatten(0, 1))
        for lag, name in enumerate(BLOCKS):
            block = cast(Inception, self.spatial.get_submodule(name))
            x = one_later(block, x, behind(seen, self.history, lag), past)
            if name.endswith("b") and maps is not None:
                x, _ = self.spatial.guide(x, behind(maps, _LAG - 1, lag + 1).flatten(0, 1))
            elif name == "mixed_3c":
                x = max_pool_same(x, 3, 2)
            elif name == "mixed_4c":
                x = max_pool_same(x, 2, 2)
        features: Tensor = self.spatial.project(x.mean((-2, -1)))
        return features.unflatten(0, (frames.shape[0], -1)), *past.next_states

    def _maps(self, frames: Tensor, seen: Tensor, past: "Past") -> Tensor | None:
        """Return guidance maps [B, lag - 1 + n, 1, h, w] of the new frames, and of those before that features wait for.

        They are as small as the first features that they guide.
        """
        if self.guidance is None:
            return None
        before = self.guidance.window - 1
        maps = self.guidance(frames[:, self.history - before :].float())[:, before:]
        maps = halve_until(maps.flatten(0, 1).unsqueeze(1), -(-frames.shape[2] // _STEM_STRIDE))
        maps = maps.unflatten(0, (frames.shape[0], -1))
        for lag in range(before + 1):  # where a window reaches out of a clip, there is no guidance
            maps = maps * behind(seen, self.history, lag)[:, :, None, None, None]
        return past.extend(maps, _LAG - 1)


class Past:
    """States, in the order in which they are used: what they hold of earlier frames, and what they will."""

    def __init__(self, states: Sequence[Tensor]) -> None:
        self._states = iter(states)
        self.next_states: list[Tensor] = []

    def extend(self, values: Tensor, num_frames: int) -> Tensor:
        """Return [B, num_frames + n, ...]: what earlier frames left, and these values, [B, n, ...]."""
        zeros = values.new_zeros(values.shape[0], num_frames, *values.shape[2:])
        extended = torch.cat([next(self._states, zeros), values], 1)
        self.next_states.append(extended[:, -num_frames:])
        return extended


def behind(values: Tensor, history: int, lag: int) -> Tensor:
    """Return the n values [B, n, ...] that end `lag` before the last, of [B, history + n, ...]."""
    return values[:, history - lag : -lag or None]  # by constants: an exporter knows no others


def one_later(block: Inception, x: Tensor, seen: Tensor, past: Past) -> Tensor:
    """Return the block's output, [B*n, outputs, H, W], of the frames one before those of x, [B*n, inputs, H, W].

    What is no frame counts as zero, as beyond the ends of a clip.
    """
    clips = (seen.shape[0], -1)
    edges_count = block.may_be_negative
    pooled = F.max_pool2d(F.pad(x, (1,) * 4), 3, 1) if edges_count else F.max_pool2d(x, 3, 1, padding=1)
    pooled = past.extend(pooled.unflatten(0, clips) * seen[:, :, None, None, None], 2)
    largest = torch.maximum(torch.maximum(pooled[:, :-2], pooled[:, 1:-1]), pooled[:, 2:]).flatten(0, 1)
    x = past.extend(x.unflatten(0, clips), 1)[:, :-1].flatten(0, 1)
    return torch.cat([block.b0(x), block.b1b(block.b1a(x)), block.b2b(block.b2a(x)), block.b3b(largest)], 1)
