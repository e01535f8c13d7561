"""The networks as they are best computed when nothing is learnt any more; the scores are those of the modules.

In both forms batch norms are part of the layers before them. "frames" is the network otherwise. "volumes" is for
engines that keep the layout of volumes (OpenVINO): frames stay together as [B, C, T, H, W], so that the pools over time
move no memory, and guidance is one product over time instead of a window at a time. docs/export.md has what that is
worth.
"""

import copy
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from training.networks.dsn.fusion import FusionNet
from training.networks.dsn.guidance import LUMINANCE, stretch
from training.networks.dsn.inception import BLOCKS, Inception, SpatialNet, Unit2D, pad_same, same_pads
from training.networks.dsn.single_stream import Backbone, UnimodalNet
from training.networks.family import Form

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_LARGEST_GUIDANCE = 2.0  # (grey + salient) * salient, both at most 1


def inference_form(network: UnimodalNet | FusionNet, form: Form) -> UnimodalNet | FusionNet:
    """Return a copy of the network in evaluation, in one of its forms for inference."""
    network = cast(UnimodalNet | FusionNet, fold_batch_norms(network))
    if form == "volumes":
        for name, module in list(network.named_children()):
            if isinstance(module, Backbone):
                setattr(network, name, VolumesBackbone(module))
    return network


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation whose batch norms are part of the layers before them.

    A batch norm that follows a convolution or a linear layer among its module's children is the one that reads it.
    """
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        for (name, layer), (norm_name, norm) in pairwise(list(module.named_children())):
            if not isinstance(norm, _NORMS):
                continue
            if isinstance(layer, nn.Linear):
                setattr(module, name, fuse_linear_bn_eval(layer, norm))
            elif isinstance(layer, nn.Conv1d | nn.Conv2d):
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
            else:
                continue
            setattr(module, norm_name, nn.Identity())
    return network


class RankPoolAtOnce(nn.Module):
    """`training.networks.dsn.guidance.rank_pool` of a whole clip: every window is a row of one matrix over time.

    It reads pixel values: the weights of a window sum to 0 and the result is stretched, so normalising changes nothing.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, pixels: Tensor) -> Tensor:
        """Float [B, T, H, W, 3] -> [B, T, H, W]; the first maps are zero."""
        num_frames, height, width = pixels.shape[1:4]
        if num_frames < self.window:
            return torch.zeros_like(pixels[..., 0])
        change = F.relu(self._windows(num_frames).to(pixels) @ pixels.flatten(2))
        lowest, highest = change.amin(2)[..., None, None], change.amax(2)[..., None, None]
        luminance = torch.tensor(LUMINANCE).to(pixels)
        grey = (change.unflatten(2, (-1, 3)) @ luminance).unflatten(2, (height, width)) - lowest * sum(LUMINANCE)
        grey = grey / torch.where(highest > lowest, highest - lowest, 1.0)
        salient = torch.where(grey > grey.mean((2, 3), keepdim=True), grey, 0.0)
        # Time takes the place of channels, which pools compute many at a time. The minimum over {x-1, x} x {y-1, y}:
        eroded = -F.max_pool2d(-salient, 2, 1, padding=1)[..., :height, :width]
        salient = stretch(F.max_pool2d(eroded, 3, 1, padding=1), (2, 3))
        return F.pad((grey + salient) * salient, (0, 0, 0, 0, self.window - 1, 0))

    def _windows(self, num_frames: int) -> Tensor:
        # Of arithmetic, so that a graph may leave the number of frames open.
        within = torch.arange(num_frames) - torch.arange(num_frames - self.window + 1)[:, None]
        return torch.where((within >= 0) & (within < self.window), 2.0 * within + 1 - self.window, 0.0)


class VolumesBackbone(nn.Module):
    """A stream whose spatial part takes whole clips."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.guidance = None if backbone.guidance is None else RankPoolAtOnce(backbone.guidance.window)
        self.spatial, self.temporal = VolumesNet(backbone.spatial, guided=self.guidance is not None), backbone.temporal

    def features(self, frames: Tensor) -> Tensor:
        """Uint8 frames [B, T, H, W, 3] -> spatial features [B, T, dim]."""
        pixels = frames.float()
        features: Tensor = self.spatial(pixels, None if self.guidance is None else self.guidance(pixels))
        return features


class VolumesNet(nn.Module):
    """`SpatialNet` on volumes [B, C, T, H, W]; its batch norms are folded."""

    def __init__(self, spatial: SpatialNet, *, guided: bool) -> None:
        super().__init__()
        plain, guidance = spatial.guidance_weights.tolist() if guided else (0.0, 0.0)
        self.scale, self.slope = 1 + plain + guidance, guidance  # x + plain x + guidance x (1 + maps)
        # Then zeros beyond the edges of a pool, which count, are never the largest.
        never_negative = min(self.scale, self.scale + _LARGEST_GUIDANCE * self.slope) >= 0
        self.conv1, self.conv2, self.conv3 = Stem(spatial.conv1), VolumeUnit(spatial.conv2), VolumeUnit(spatial.conv3)
        for name in BLOCKS:
            block = cast(Inception, spatial.get_submodule(name))
            edges_count = block.may_be_negative and not never_negative
            self.add_module(name, VolumeInception(block, edges_count=edges_count))
        self.project = spatial.project

    def forward(self, pixels: Tensor, maps: Tensor | None) -> Tensor:
        """Pixel values [B, T, H, W, 3] and guidance [B, T, H, W] -> [B, T, dim]."""
        x = pool_frames(self.conv1(pixels), 3, 2)
        x = pool_frames(self.conv3(self.conv2(x)), 3, 2)
        for name in BLOCKS:
            x = self.get_submodule(name)(x)
            if name.endswith("b") and maps is not None:
                while maps.shape[-2] > x.shape[-2]:
                    maps = F.max_pool2d(maps, 2, ceil_mode=True)
                x = x * (self.scale + self.slope * maps.unsqueeze(1))
            elif name == "mixed_3c":
                x = pool_frames(x, 3, 2)
            elif name == "mixed_4c":
                x = pool_frames(x, 2, 2)
        features: Tensor = self.project(x.mean((-2, -1)).transpose(1, 2))
        return features


class VolumeUnit(nn.Module):
    """`Unit2D` on volumes."""

    def __init__(self, unit: Unit2D) -> None:
        super().__init__()
        conv = unit.conv
        assert conv.bias is not None  # its batch norm is folded
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        self.weight, self.bias = nn.Parameter(conv.weight.detach()[:, :, None]), nn.Parameter(conv.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T, H, W] -> [B, outputs, T, ceil(H / stride), ceil(W / stride)]."""
        x = pad_same(x, self.kernel, self.stride)
        return F.relu(F.conv3d(x, self.weight, self.bias, stride=(1, self.stride, self.stride)))


class Stem(nn.Module):
    """The first unit on pixel values: it normalises, and reads squares of 2x2 pixels as 12 channels where they fit.

    Matrix units of processors multiply many channels at a time, and colours are only three.
    """

    def __init__(self, unit: Unit2D) -> None:
        super().__init__()
        conv = unit.conv
        assert conv.bias is not None and conv.kernel_size == (7, 7) and conv.stride == (2, 2)
        # (pixel - 127.5) / 128, so that outside the frame is 127.5.
        weight = conv.weight.detach() / 128
        self.bias = nn.Parameter(conv.bias.detach())
        self.weight = nn.Parameter(weight[:, :, None])
        squares = F.pad(weight, (0, 1, 0, 1)).unflatten(3, (4, 2)).unflatten(2, (4, 2))  # [C, 3, 4, 2, 4, 2]
        self.squares = nn.Parameter(squares.permute(0, 3, 5, 1, 2, 4).flatten(1, 3)[:, :, None].contiguous())

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, T, H, W, 3] -> [B, C, T, ceil(H / 2), ceil(W / 2)]."""
        pixels = pixels - 127.5
        height, width = pixels.shape[2:4]
        if height % 2 or width % 2:
            x = pad_same(pixels.permute(0, 4, 1, 2, 3), 7, 2)
            return F.relu(F.conv3d(x, self.weight, self.bias, stride=(1, 2, 2)))
        squares = pixels.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # [B, T, H / 2, 2, W / 2, 2, 3]
        x = squares.permute(0, 3, 5, 6, 1, 2, 4).flatten(1, 3)
        # "SAME" is 2 pixels before and 3 after; with the kernel's eighth tap, of zeros, 4: one square and two.
        return F.relu(F.conv3d(F.pad(x, (1, 2, 1, 2)), self.squares, self.bias))


class VolumeInception(nn.Module):
    """`Inception` on volumes."""

    def __init__(self, block: Inception, *, edges_count: bool) -> None:
        super().__init__()
        self.b0, self.b1a, self.b1b = VolumeUnit(block.b0), VolumeUnit(block.b1a), VolumeUnit(block.b1b)
        self.b2a, self.b2b, self.b3b = VolumeUnit(block.b2a), VolumeUnit(block.b2b), VolumeUnit(block.b3b)
        self.edges_count = edges_count

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, T, H, W] -> [B, outputs, T, H, W]."""
        pooled = F.max_pool3d(F.pad(x, (1,) * 6), 3, 1) if self.edges_count else F.max_pool3d(x, 3, 1, padding=1)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], 1)


def pool_frames(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Max-pool the frames of a volume of no negative values, "SAME" padded; see `max_pool_same`."""
    before = (0, same_pads(x.shape[-2], kernel, stride)[0], same_pads(x.shape[-1], kernel, stride)[0])
    return F.max_pool3d(x, (1, kernel, kernel), (1, stride, stride), padding=before, ceil_mode=True)
