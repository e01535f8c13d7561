"""The networks as they are best computed when nothing is learnt any more; the scores are those of the modules.

"frames" is the network with its batch norms folded. "volumes", for engines that keep the layout of volumes (OpenVINO),
is that of the first family: frames stay together as [B, C, T, H, W], so that the pools over time move no memory.
"""

from typing import cast

from torch import Tensor, nn

from training.networks.dsn.inference_forms import (
    Stem,
    VolumeInception,
    VolumeUnit,
    fold_batch_norms,
    pool_frames,
)
from training.networks.family import Form
from training.networks.umdr.fusion import FusionNet
from training.networks.umdr.single_stream import UnimodalNet
from training.networks.umdr.spatial import SpatialNet, Stage, largest_of_pairs


def inference_form(network: UnimodalNet | FusionNet, form: Form) -> UnimodalNet | FusionNet:
    """Return a copy of the network in evaluation, in one of its forms for inference."""
    network = cast(UnimodalNet | FusionNet, fold_batch_norms(network))
    if form == "volumes":
        for stream in (network,) if isinstance(network, UnimodalNet) else (network.rgb, network.depth):
            stream.add_module("normalise", nn.Identity())  # the first convolution does
            stream.add_module("spatial", VolumesNet(stream.spatial))
    return network


class VolumesNet(nn.Module):
    """`SpatialNet` on volumes; its batch norms are folded."""

    def __init__(self, spatial: SpatialNet) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = Stem(spatial.conv1), VolumeUnit(spatial.conv2), VolumeUnit(spatial.conv3)
        self.stages = nn.ModuleList(VolumeStage(cast(Stage, stage)) for stage in spatial.stages)
        self.recouplings, self.project = spatial.recouplings, spatial.project

    def forward(self, pixels: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Uint8 [B, T, H, W, 3] -> features [B, T, dim], and the three distillation features [B, dim]."""
        num_frames = pixels.shape[1]
        x = pool_frames(self.conv1(pixels.float()), 3, 2)
        x = pool_frames(self.conv3(self.conv2(x)), 3, 2)
        students = []
        for stage, recoupling in zip(self.stages, self.recouplings, strict=True):
            frames, student = recoupling(stage(x).transpose(1, 2).flatten(0, 1))
            x = frames.unflatten(0, (-1, num_frames)).transpose(1, 2)
            students.append(student)
        return self.project(x.mean((-2, -1)).transpose(1, 2)), tuple(students)


class VolumeStage(nn.Module):
    """`Stage` on volumes."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.pool = stage.pool
        self.first = VolumeInception(stage.first, edges_count=False)
        self.second = VolumeInception(stage.second, edges_count=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T, H, W] -> [B, outputs, T, h, w]."""
        x = self.second(self.first(x))
        return largest_of_pairs(x) if self.pool is None else pool_frames(x, self.pool, 2)
