"""Two clips in one: MixUp mixes their pixels, ShuffleMix their frames; the loss is mixed alike."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.config.schema import AugmentConfig


class Mixed(NamedTuple):
    """Clips as they came but mixed, whom each was mixed with (int64 [B]), and the share of the first of both."""

    clips: tuple[Tensor, ...]
    partners: Tensor
    share: float


def mix(clips: tuple[Tensor, ...], config: AugmentConfig, rng: np.random.Generator) -> Mixed | None:
    """Mix a batch of uint8 clips [B, T, H, W, 3] per stream with itself in another order; None where it is not asked.

    Where both kinds are, one of them is drawn for the batch. Both streams of a clip are mixed alike. Source: MixUp
    (ICLR 2018); ShuffleMix as in UMDR (TPAMI 2023).
    """
    kinds = [kind for kind, alpha in ((_blend, config.mixup), (_interleave, config.shufflemix)) if alpha > 0]
    if not kinds:
        return None
    kind = kinds[int(rng.integers(len(kinds)))]
    alpha = config.mixup if kind is _blend else config.shufflemix
    share = float(rng.beta(alpha, alpha))
    partners = torch.from_numpy(rng.permutation(len(clips[0]))).to(clips[0].device)
    num_frames = clips[0].shape[1]
    kept = rng.permutation(num_frames) < round(share * num_frames)
    if kind is _interleave:
        share = float(kept.mean())
    return Mixed(tuple(kind(clip, clip[partners], share, kept) for clip in clips), partners, share)


def _blend(clips: Tensor, others: Tensor, share: float, _kept: np.ndarray) -> Tensor:
    return (clips.float() * share + others.float() * (1 - share)).round().to(torch.uint8)


def _interleave(clips: Tensor, others: Tensor, _share: float, kept: np.ndarray) -> Tensor:
    chosen = torch.from_numpy(kept).to(clips.device)[None, :, None, None, None]
    return torch.where(chosen, clips, others)
