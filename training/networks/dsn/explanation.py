"""Why a network answered as it did: what it looked at in a clip's frames, and which frames it read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from training.networks.dsn.fusion import FusionNet
from training.networks.dsn.inception import BLOCKS
from training.networks.dsn.single_stream import Backbone, UnimodalNet
from training.networks.dsn.temporal import BRANCHES, Attention, Branch

Maps = NDArray[np.float32]


@dataclass(frozen=True)
class StreamExplanation:
    """What one stream looked at in a clip of T frames.

    `activation` float32 [T, h, w] in [0, 1]: what spoke for the class (Grad-CAM), as coarse as the last features;
    `guidance` float32 [T, H, W], or None without; `attention` float32 [n + 1, n + 1] of each branch: how much its
    tokens, the class token first, read of each other in the last block, mean of the attention heads.
    """

    activation: Maps
    guidance: Maps | None
    attention: dict[str, Maps]


@dataclass(frozen=True)
class Explanation:
    """A clip's streams in the order of the network's arguments, and float32 [heads, heads]: how alike they answer."""

    streams: tuple[StreamExplanation, ...]
    similarity: Maps
    head_names: tuple[str, ...]


@dataclass
class _Recording:
    """What passed through a backbone."""

    features: Tensor = field(default_factory=lambda: torch.empty(0))
    guidance: Tensor | None = None
    attention: dict[str, Maps] = field(default_factory=dict)


def explain(network: UnimodalNet | FusionNet, clips: tuple[Tensor, ...], label: int) -> Explanation:
    """Return why `network` gives class `label` its score for one clip: uint8 [1, T, H, W, 3] of each stream.

    Source of the activation maps: Selvaraju et al., "Grad-CAM", ICCV 2017. The similarity of two heads is the cosine
    of their scores, each less its mean.
    """
    network.eval()
    backbones = (network.backbone,) if isinstance(network, UnimodalNet) else (network.rgb, network.depth)
    with ExitStack() as stack, torch.enable_grad():
        recordings = [stack.enter_context(_recorded(backbone)) for backbone in backbones]
        output = network(*clips)
        features = [recording.features for recording in recordings]
        gradients = torch.autograd.grad(output.logits[0, label], features)
    streams = zip(recordings, gradients, strict=True)
    heads = output.heads()
    scores = torch.cat(list(heads.values())).detach().float()
    scores = F.normalize(scores - scores.mean(1, keepdim=True), dim=1)
    return Explanation(
        tuple(_stream(recording, gradient) for recording, gradient in streams), _array(scores @ scores.T), tuple(heads)
    )


def _stream(recording: _Recording, gradient: Tensor) -> StreamExplanation:
    activation = F.relu((gradient.mean((2, 3), keepdim=True) * recording.features).sum(1))
    activation = activation / activation.max().clamp(min=1e-12)
    guidance = None if recording.guidance is None else _array(recording.guidance[0, :, 0])
    return StreamExplanation(_array(activation), guidance, recording.attention)


@contextmanager
def _recorded(backbone: Backbone) -> Iterator[_Recording]:
    """Record what passes through the backbone, while this lasts."""
    recording = _Recording()

    def on_frames(_module: Any, inputs: tuple[Tensor, Tensor | None]) -> None:
        recording.guidance = inputs[1]

    def on_features(_module: Any, _inputs: Any, output: Tensor) -> None:
        recording.features = output

    def on_tokens(name: str, attention: Attention, inputs: tuple[Tensor, int]) -> None:
        recording.attention[name] = _array(attention.weights(inputs[0])[0][0].mean(0))

    with ExitStack() as hooks:
        spatial = backbone.spatial
        hooks.enter_context(spatial.register_forward_pre_hook(on_frames))
        hooks.enter_context(spatial.get_submodule(list(BLOCKS)[-1]).register_forward_hook(on_features))
        for name in BRANCHES:
            last = cast(Branch, backbone.temporal.branches[name]).blocks[-1].get_submodule("attention")
            hooks.enter_context(last.register_forward_pre_hook(partial(on_tokens, name)))
        yield recording


def _array(tensor: Tensor) -> Maps:
    return tensor.detach().float().cpu().numpy()
