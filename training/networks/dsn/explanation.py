"""Why a network answered as it did: what it looked at in a clip's frames, and which frames it read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.networks.dsn.fusion import FusionNet
from training.networks.dsn.inception import BLOCKS
from training.networks.dsn.single_stream import Backbone, UnimodalNet
from training.networks.dsn.temporal import BRANCHES, Attention
from training.networks.explanation import Explanation, FrameMaps, Maps, StreamExplanation, array_of, head_similarity

_CAPTION = (
    "Frames spread over the clip; below them what speaks for the answer (Grad-CAM at the last features){guidance}. The "
    "squares show how much each token of a branch (rows, the class token first) reads of every other (columns) in the "
    "last block, mean of the attention heads; bright is much."
)
_GUIDANCE = ", and the guidance maps, where something moves"


@dataclass
class _Recording:
    """What passed through a backbone."""

    features: Tensor = field(default_factory=lambda: torch.empty(0))
    guidance: Tensor | None = None
    attention: dict[str, Maps] = field(default_factory=dict)


def explain(network: UnimodalNet | FusionNet, clips: tuple[Tensor, ...], label: int) -> Explanation:
    """Return why `network` gives class `label` its score for one clip: uint8 [1, T, H, W, 3] of each stream.

    Source of the activation maps: Selvaraju et al., "Grad-CAM", ICCV 2017; they are as coarse as the last features.
    """
    network.eval()
    backbones = (network.backbone,) if isinstance(network, UnimodalNet) else (network.rgb, network.depth)
    with ExitStack() as stack, torch.enable_grad():
        recordings = [stack.enter_context(_recorded(backbone)) for backbone in backbones]
        output = network(*clips)
        features = [recording.features for recording in recordings]
        gradients = torch.autograd.grad(output.logits[0, label], features)
    heads = output.heads()
    is_guided = any(recording.guidance is not None for recording in recordings)
    return Explanation(
        _CAPTION.format(guidance=_GUIDANCE if is_guided else ""),
        tuple(_stream(recording, gradient) for recording, gradient in zip(recordings, gradients, strict=True)),
        head_similarity(heads),
        tuple(heads),
    )


def activation_maps(features: Tensor, gradient: Tensor) -> FrameMaps:
    """Return where features [T, C, h, w] speak for a score, by its gradient; the strongest place is 1."""
    activation = F.relu((gradient.mean((2, 3), keepdim=True) * features).sum(1))
    return FrameMaps("activation", array_of(activation / activation.max().clamp(min=1e-12)), over_frames=True)


def _stream(recording: _Recording, gradient: Tensor) -> StreamExplanation:
    maps = [activation_maps(recording.features, gradient)]
    if recording.guidance is not None:
        guidance = array_of(recording.guidance[0, :, 0])
        maps.append(FrameMaps("guidance", guidance / max(float(guidance.max()), 1e-12), over_frames=False))
    return StreamExplanation(tuple(maps), recording.attention)


@contextmanager
def _recorded(backbone: Backbone) -> Iterator[_Recording]:
    """Record what passes through the backbone, while this lasts."""
    recording = _Recording()

    def on_frames(_module: Any, inputs: tuple[Tensor, Tensor | None]) -> None:
        recording.guidance = inputs[1]

    def on_features(_module: Any, _inputs: Any, output: Tensor) -> None:
        recording.features = output

    with ExitStack() as hooks:
        spatial = backbone.spatial
        hooks.enter_context(spatial.register_forward_pre_hook(on_frames))
        hooks.enter_context(spatial.get_submodule(list(BLOCKS)[-1]).register_forward_hook(on_features))
        recording.attention = hooks.enter_context(recorded_attention(backbone.temporal.branches))
        yield recording


@contextmanager
def recorded_attention(branches: nn.ModuleDict) -> Iterator[dict[str, Maps]]:
    """Record how much each token of a branch reads of every other in its last block, while this lasts; by branch."""
    attention: dict[str, Maps] = {}

    def on_tokens(name: str, module: Attention, inputs: tuple[Tensor, int]) -> None:
        attention[name] = array_of(module.weights(inputs[0])[0][0].mean(0))

    with ExitStack() as hooks:
        for name in BRANCHES:
            last = cast(nn.ModuleList, branches[name].blocks)[-1].get_submodule("attention")
            hooks.enter_context(last.register_forward_pre_hook(partial(on_tokens, name)))
        yield attention
