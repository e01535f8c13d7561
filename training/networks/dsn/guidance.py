"""The network's first layers: normalised frames, and the guidance maps that say where something moves."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LUMINANCE = (0.2989, 0.587, 0.114)  # of red, green, blue; docs/method.md, "Guidance"


def normalise(frames: Tensor) -> Tensor:
    """Return float32 [B, T, 3, H, W] in [-1, 1) for uint8 RGB [B, T, H, W, 3]."""
    # The cast comes before the transpose because TensorRT's parser refuses to transpose uint8.
    return ((frames.float() - 127.5) / 128).permute(0, 1, 4, 2, 3)


class RankPool(nn.Module):
    """`rank_pool` as a module, so that profiles of exported graphs tell its share."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window

    def forward(self, clip: Tensor) -> Tensor:
        """[B, T, 3, H, W] -> [B, T, 1, H, W]."""
        return rank_pool(clip, self.window)


def rank_pool(clip: Tensor, window: int) -> Tensor:
    """Return the guidance maps [B, T, 1, H, W] of a normalised clip [B, T, 3, H, W] (frame-wise rank pooling).

    Map t sums up how frames t-window+1 .. t change; the first window-1 maps are zero.
    Source: docs/method.md, "Guidance".
    """
    num_frames = clip.shape[1]
    if num_frames < window:
        return torch.zeros_like(clip[:, :, :1])
    full = num_frames - window + 1
    ranked = sum((2 * (j + 1) - window - 1) * clip[:, j : j + full] for j in range(window))
    assert isinstance(ranked, Tensor)  # `sum` of an empty range would be 0; a window has at least one frame
    # One image per full window: [B * full, 3, H, W].
    change = stretch(F.relu(ranked).flatten(0, 1), (1, 2, 3))
    red, green, blue = LUMINANCE
    grey = red * change[:, 0:1] + green * change[:, 1:2] + blue * change[:, 2:3]
    salient = torch.where(grey > grey.mean((1, 2, 3), keepdim=True), grey, 0.0)
    salient = stretch(_dilate(_erode(salient)), (1, 2, 3))
    maps = ((grey + salient) * salient).unflatten(0, (-1, full))
    return F.pad(maps, (0, 0, 0, 0, 0, 0, window - 1, 0))


def stretch(images: Tensor, dim: tuple[int, ...]) -> Tensor:
    """Shift and scale each image, which lies along the axes `dim`, to [0, 1]; a constant image becomes 0."""
    images = images - images.amin(dim, keepdim=True)
    largest = images.amax(dim, keepdim=True)
    return images / torch.where(largest > 0, largest, 1.0)


def _erode(images: Tensor) -> Tensor:
    """Take the minimum over {x-1, x} x {y-1, y}: OpenCV's erosion by a 2x2 rectangle with its default anchor."""
    rows = torch.minimum(images, torch.cat([images[..., :1, :], images[..., :-1, :]], -2))
    return torch.minimum(rows, torch.cat([rows[..., :1], rows[..., :-1]], -1))


def _dilate(images: Tensor) -> Tensor:
    return F.max_pool2d(images, 3, stride=1, padding=1)


def halve_until(maps: Tensor, height: int) -> Tensor:
    """Max-pool maps [N, 1, H, W] 2x2 until they are `height` high."""
    while maps.shape[-2] > height:
        maps = F.max_pool2d(maps, 2, ceil_mode=True)  # as TF-"SAME" rounds, so that odd sizes match the features
    return maps
