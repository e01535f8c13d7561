"""The decoupled and recoupled networks as a family: what the rest of the project is told of them."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from rgbd.types import Stream
from training.config.families import Sections
from training.config.schema import TrainingConfig
from training.networks.dsn import explanation
from training.networks.dsn.config import LegacyConfig, LossConfig, NetworkConfig, ScheduleConfig
from training.networks.dsn.fusion import FusionNet, FusionOutput
from training.networks.dsn.inception import SpatialNet
from training.networks.dsn.inference_forms import inference_form
from training.networks.dsn.live_form import live_form
from training.networks.dsn.loss import fusion_loss, unimodal_loss
from training.networks.dsn.reference_weights import DsnWeights
from training.networks.dsn.schedule import distillation_weight, legacy_learning_rate, tau
from training.networks.dsn.single_stream import UnimodalNet, UnimodalOutput
from training.networks.explanation import Explanation
from training.networks.family import Family, Form, Head, Int8Rules, Loss, Output
from training.networks.live import LiveForm

_Network = UnimodalNet | FusionNet
_BACKBONE = "backbone."

_HEADS = {
    "logits": Head("class scores before softmax: the answer"),
    "logits_small": Head("scores of the branch that reads the fewest frames"),
    "logits_medium": Head("scores of the middle branch"),
    "logits_large": Head("scores of the branch that reads the most frames"),
    "logits_rgb": Head("scores of the RGB stream's head, which has seen what the streams share", "rgb"),
    "logits_depth": Head("scores of the depth stream's head, which has seen what the streams share", "depth"),
}

# The spatial part is nine tenths of the work.
_INT8 = Int8Rules(
    parts=r"(.*\.)?(spatial|guidance)[./]",
    elsewhere="the temporal part and the heads take little time, and none less in int8",
    kept={
        r"(.*\.)?guidance/.*": "guidance decides by thresholds: a rounded pixel would move whole regions",
        r"(.*\.)?spatial/(Mul|Add)_.*": "products with the guidance want its digits",
        r"(.*\.)?spatial\.project.*": "the temporal part's input",
    },
)


class Dsn(Family):
    """One stream ("I3DWTrans"), or both ("FusionNet"), of the published method: docs/method.md."""

    sections = Sections(NetworkConfig, LossConfig, ScheduleConfig, LegacyConfig)
    heads = _HEADS
    needs_streams = True
    weighs_classes = True
    int8 = _INT8
    reference_weights = DsnWeights()

    def build(self, config: TrainingConfig, num_classes: int) -> _Network:
        """See `Family.build`."""
        kind = UnimodalNet if len(config.modalities) == 1 else FusionNet
        network = kind(cast(NetworkConfig, config.network), num_classes, config.clip.num_frames)
        for module in network.modules():
            if isinstance(module, SpatialNet):
                module.checkpoint_activations = config.compute.checkpoint_activations
        return network

    def loss(self, output: Output, labels: Tensor, config: TrainingConfig, epoch: int) -> Loss:
        """See `Family.loss`: the distillation counts once the warm-up is over."""
        weights, schedule = cast(LossConfig, config.loss), cast(ScheduleConfig, config.schedule)
        distil = distillation_weight(epoch, weights.distillation, schedule)
        summed = cast(LegacyConfig, config.legacy).sum_distillation
        if isinstance(output, FusionOutput):
            return fusion_loss(output, labels, weights, distil=distil, sum_distillation=summed)
        return unimodal_loss(cast(UnimodalOutput, output), labels, weights, distil=distil, sum_distillation=summed)

    def epoch_state(self, config: TrainingConfig, epoch: int) -> dict[str, float]:
        """Return the temperature of a stream's heads; those of the fusion have none."""
        return {"tau": tau(epoch, cast(ScheduleConfig, config.schedule))} if len(config.modalities) == 1 else {}

    def set_epoch_state(self, network: nn.Module, state: Mapping[str, float]) -> None:
        """Set the temperature of a stream's heads."""
        if isinstance(network, UnimodalNet):
            network.tau = state["tau"]

    def legacy_rate(self, config: TrainingConfig, epoch: int) -> float:
        """See `Family.legacy_rate`."""
        is_fusion = len(config.modalities) > 1
        return legacy_learning_rate(epoch, config.optimizer, config.schedule, is_fusion=is_fusion)

    def join_streams(self, network: nn.Module, streams: Mapping[Stream, nn.Module]) -> None:
        """Take the streams' backbones; the heads begin anew."""
        for stream, trained in streams.items():
            weights = trained.state_dict()
            weights = {
                key.removeprefix(_BACKBONE): value for key, value in weights.items() if key.startswith(_BACKBONE)
            }
            network.get_submodule(stream).load_state_dict(weights)

    def own_figures(self, scores: Mapping[str, Tensor], labels: Tensor) -> dict[str, float]:
        """Return what the reference reports of one evaluation.

        Source: docs/method.md, "What the reference does differently", row 1.
        """
        if scores.keys() == {"logits"}:
            return {}  # what averages several networks has no other heads
        if "logits_rgb" in scores:
            fused, rgb, depth = (scores["logits" + name] for name in ("", "_rgb", "_depth"))
            mixed = torch.stack([fused, rgb + depth, rgb + depth + fused])
        else:
            fused, small, medium, large = (scores["logits" + name] for name in ("", "_small", "_medium", "_large"))
            # It takes the heads in a wrong order, so that three of its four figures are of sums of two heads' scores.
            mixed = torch.stack([large, fused + small, fused + medium, small + medium])
        return {"legacy_max": float((mixed.argmax(2) == labels).double().mean(1).max())}

    def low_precision(self, network: nn.Module) -> Sequence[str]:
        """Return the spatial parts, nine tenths of the work.

        Guidance stays in float32, because it decides by thresholds, and so do the temporal part and the heads, which
        take little time.
        """
        return [name for name, _ in network.named_modules() if name.rpartition(".")[2] == "spatial"]

    def inference_form(self, network: nn.Module, form: Form) -> nn.Module:
        """See `training.networks.dsn.inference_forms`."""
        return inference_form(cast(_Network, network), form)

    def live_form(self, network: nn.Module, config: TrainingConfig) -> LiveForm:
        """See `training.networks.dsn.live_form`."""
        return live_form(cast(_Network, network), config.modalities[0], config.clip.size)

    def explain(self, network: nn.Module, clips: tuple[Tensor, ...], label: int) -> Explanation:
        """See `training.networks.dsn.explanation`."""
        return explanation.explain(cast(_Network, network), clips, label)


FAMILY = Dsn()
