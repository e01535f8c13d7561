"""Why a network answered as it did: what it looked at in a clip's frames, where its gates were open, what it read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.networks.dsn.explanation import activation_maps, recorded_attention
from training.networks.explanation import Explanation, Maps, StreamExplanation, array_of, head_similarity
from training.networks.umdr.fusion import FusionNet
from training.networks.umdr.recoupling import Recoupling
from training.networks.umdr.single_stream import UnimodalNet

_CAPTION = (
    "Frames spread over the clip; below them what speaks for the answer (Grad-CAM at the last features). The gates say "
    "how far each frame (columns) lets in what its channels read of each other, after each stage (rows). The other "
    "squares show how much each token of a branch (rows, the class token first) reads of every other (columns) in the "
    "last block, mean of the attention heads; bright is much."
)


@dataclass
class _Recording:
    """What passed through a stream: the last features [T, C, h, w], and the gates [T] of each stage."""

    features: Tensor = field(default_factory=lambda: torch.empty(0))
    gates: dict[int, Maps] = field(default_factory=dict)
    attention: dict[str, Maps] = field(default_factory=dict)


def explain(network: UnimodalNet | FusionNet, clips: tuple[Tensor, ...], label: int) -> Explanation:
    """Return why `network` gives class `label` its score for one clip: uint8 [1, T, H, W, 3] of each stream.

    Source of the activation maps: Selvaraju et al., "Grad-CAM", ICCV 2017; they are as coarse as the last features.
    """
    network.eval()
    streams = (network,) if isinstance(network, UnimodalNet) else (network.rgb, network.depth)
    with ExitStack() as stack, torch.enable_grad():
        recordings = [stack.enter_context(_recorded(stream)) for stream in streams]
        output = network(*clips)
        gradients = torch.autograd.grad(output.logits[0, label], [recording.features for recording in recordings])
    heads = output.heads()
    found = tuple(_stream(recording, gradient) for recording, gradient in zip(recordings, gradients, strict=True))
    return Explanation(_CAPTION, found, head_similarity(heads), tuple(heads))


def _stream(recording: _Recording, gradient: Tensor) -> StreamExplanation:
    gates = np.stack(list(recording.gates.values()))
    maps = activation_maps(recording.features, gradient)
    return StreamExplanation((maps,), {"gates": gates, **recording.attention})


@contextmanager
def _recorded(stream: UnimodalNet) -> Iterator[_Recording]:
    """Record what passes through a stream, while this lasts."""
    recording = _Recording()

    def on_features(_module: Any, _inputs: Any, output: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        recording.features = output[0].detach().requires_grad_()  # the weights of a fusion's streams have no gradient
        return recording.features, output[1]

    def on_gate(stage: int, _module: Any, _inputs: Any, output: Tensor) -> None:
        recording.gates[stage] = array_of(torch.sigmoid(output[0]))

    with ExitStack() as hooks:
        recouplings = [part for part in stream.spatial.recouplings if isinstance(part, Recoupling)]
        for stage, recoupling in enumerate(recouplings):
            hooks.enter_context(recoupling.time_gate.register_forward_hook(partial(on_gate, stage)))
        hooks.enter_context(recouplings[-1].register_forward_hook(on_features))
        recording.attention = hooks.enter_context(recorded_attention(stream.temporal.branches))
        yield recording
