"""The unified multimodal networks as a family: what the rest of the project is told of them."""

import re
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from rgbd.types import Stream
from training.config.families import Sections
from training.config.schema import TrainingConfig
from training.networks.dsn.config import ScheduleConfig
from training.networks.dsn.schedule import tau
from training.networks.explanation import Explanation
from training.networks.family import Family, Form, Head, Int8Rules, Loss, Output, cross_entropy
from training.networks.live import LiveForm
from training.networks.umdr import explanation
from training.networks.umdr.config import LegacyConfig, LossConfig, NetworkConfig
from training.networks.umdr.fusion import FusionNet, FusionOutput
from training.networks.umdr.inference_forms import inference_form
from training.networks.umdr.live_form import live_form
from training.networks.umdr.loss import unimodal_loss
from training.networks.umdr.reference_weights import UmdrWeights
from training.networks.umdr.schedule import distillation_weight, legacy_learning_rate
from training.networks.umdr.single_stream import UnimodalNet, UnimodalOutput
from training.networks.umdr.spatial import SpatialNet

_Network = UnimodalNet | FusionNet

_HEADS = {
    "logits": Head("class scores before softmax: the answer"),
    "logits_small": Head("scores of the branch that reads the fewest frames"),
    "logits_medium": Head("scores of the middle branch"),
    "logits_large": Head("scores of the branch that reads the most frames"),
    "logits_streams": Head("mean of both streams' scores, without the trained head"),
    "logits_rgb": Head("scores of the RGB stream, which has seen nothing else", "rgb"),
    "logits_depth": Head("scores of the depth stream, which has seen nothing else", "depth"),
    "logits_rgb_head": Head("scores of the trained head for RGB, which has seen both"),
    "logits_depth_head": Head("scores of the trained head for depth, which has seen both"),
}

# Their convolutions are nearly all the work. Recoupling stays in float32: its scores can be large.
_LOW_PRECISION = re.compile(r"(?:.*\.)?spatial\.(?:conv\d|stages\.\d)")

_INT8 = Int8Rules(
    parts=r"(rgb\.|depth\.)?spatial(\.conv|\.stages|/MaxPool)",
    elsewhere="recoupling's scores can be large, and the temporal part and the heads take little time",
    kept={},
)


class Umdr(Family):
    """One stream ("DSNV2"), or a head over two frozen ones ("CrossFusionNet"): docs/method.md, "The second family"."""

    sections = Sections(NetworkConfig, LossConfig, ScheduleConfig, LegacyConfig)
    heads = _HEADS
    needs_streams = True
    weighs_classes = True
    has_stream_losses = True
    int8 = _INT8
    reference_weights = UmdrWeights()

    def build(self, config: TrainingConfig, num_classes: int) -> _Network:
        """See `Family.build`."""
        kind = UnimodalNet if len(config.modalities) == 1 else FusionNet
        network = kind(cast(NetworkConfig, config.network), num_classes, config.clip.num_frames)
        for module in network.modules():
            if isinstance(module, SpatialNet):
                module.checkpoint_activations = config.compute.checkpoint_activations
        return network

    def loss(self, output: Output, labels: Tensor, config: TrainingConfig, epoch: int) -> Loss:
        """See `Family.loss`: the distillation of a stream counts once the warm-up is over."""
        if isinstance(output, FusionOutput):
            rgb, depth = (self.stream_loss(output, stream, labels, config, epoch) for stream in config.modalities)
            return Loss(rgb.total + depth.total, rgb.terms | depth.terms)
        weights = cast(LossConfig, config.loss)
        return unimodal_loss(
            cast(UnimodalOutput, output),
            labels,
            weights,
            distil=distillation_weight(epoch, weights.distillation, config.schedule),
            attached_teacher=cast(LegacyConfig, config.legacy).attached_teacher,
        )

    def stream_loss(self, output: Output, stream: Stream, labels: Tensor, config: TrainingConfig, epoch: int) -> Loss:  # noqa: ARG002
        """Return the cross-entropy of the fusion's head for a stream."""
        fused = cast(FusionOutput, output)
        loss = cross_entropy(fused.rgb if stream == "rgb" else fused.depth, labels, config.loss)
        return Loss(loss, {f"ce_{stream}": loss})

    def epoch_state(self, config: TrainingConfig, epoch: int) -> dict[str, float]:
        """Return the temperature of a stream's heads; those of a fusion's streams are among its weights."""
        return {"tau": tau(epoch, cast(ScheduleConfig, config.schedule))} if len(config.modalities) == 1 else {}

    def set_epoch_state(self, network: nn.Module, state: Mapping[str, float]) -> None:
        """Set the temperature of a stream's heads."""
        if isinstance(network, UnimodalNet):
            network.tau.fill_(state["tau"])

    def legacy_rate(self, config: TrainingConfig, epoch: int) -> float:
        """See `Family.legacy_rate`."""
        return legacy_learning_rate(epoch, config.optimizer, config.schedule)

    def join_streams(self, network: nn.Module, streams: Mapping[Stream, nn.Module]) -> None:
        """Take the streams whole, and with the temperatures of their epochs; only the head begins anew."""
        for stream, trained in streams.items():
            network.get_submodule(stream).load_state_dict(trained.state_dict())

    def own_figures(self, scores: Mapping[str, Tensor], labels: Tensor) -> dict[str, float]:
        """Return what the reference reports of one evaluation: the best of several heads and sums of heads.

        Source: docs/method.md, "What the second reference does differently", row 1.
        """
        if scores.keys() == {"logits"}:
            return {}  # what averages several networks has no other heads
        if "logits_streams" in scores:
            candidates = [scores["logits"], scores["logits_streams"]]
        else:
            fused, small, medium, large = (scores["logits" + name] for name in ("", "_small", "_medium", "_large"))
            candidates = [fused, small + medium + large, small + medium, small + large, medium + large]
        return {"legacy_max": float((torch.stack(candidates).argmax(2) == labels).double().mean(1).max())}

    def low_precision(self, network: nn.Module) -> Sequence[str]:
        """Return the convolutions of the spatial parts."""
        return [name for name, _ in network.named_modules() if _LOW_PRECISION.fullmatch(name)]

    def inference_form(self, network: nn.Module, form: Form) -> nn.Module:
        """See `training.networks.umdr.inference_forms`."""
        return inference_form(cast(_Network, network), form)

    def live_form(self, network: nn.Module, config: TrainingConfig) -> LiveForm:
        """See `training.networks.umdr.live_form`."""
        return live_form(cast(_Network, network), config.modalities[0], config.clip.size)

    def explain(self, network: nn.Module, clips: tuple[Tensor, ...], label: int) -> Explanation:
        """See `training.networks.umdr.explanation`."""
        return explanation.explain(cast(_Network, network), clips, label)


FAMILY = Umdr()
