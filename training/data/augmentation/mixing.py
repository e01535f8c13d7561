"""Stage 4, two clips in one: MixUp mixes their pixels, ShuffleMix their frames; the loss is mixed in the same way."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from training.data.augmentation.stages import Mixed


@dataclass(frozen=True)
class MixUp:
    """The weighted mean of two clips, whose weight is drawn from Beta(alpha, alpha). Source: MixUp (ICLR 2018)."""

    alpha: float
    name = "mixup"

    @property
    def is_active(self) -> bool:
        """Whether clips are mixed."""
        return self.alpha > 0

    def mix(self, clips: tuple[Tensor, ...], rng: np.random.Generator) -> Mixed:
        """Return clips whose pixels are mixed."""
        share, partners = float(rng.beta(self.alpha, self.alpha)), _partners(clips, rng)
        return Mixed(tuple(_blend(clip, clip[partners], share) for clip in clips), partners, share)


@dataclass(frozen=True)
class ShuffleMix:
    """Frames of one clip among another's, their share drawn from Beta(alpha, alpha). Source: UMDR (TPAMI 2023)."""

    alpha: float
    name = "shufflemix"

    @property
    def is_active(self) -> bool:
        """Whether clips are mixed."""
        return self.alpha > 0

    def mix(self, clips: tuple[Tensor, ...], rng: np.random.Generator) -> Mixed:
        """Return clips some of whose frames are another clip's; the share is that of the frames kept."""
        share, partners = float(rng.beta(self.alpha, self.alpha)), _partners(clips, rng)
        num_frames = clips[0].shape[1]
        kept = rng.permutation(num_frames) < round(share * num_frames)
        chosen = torch.from_numpy(kept).to(clips[0].device)[None, :, None, None, None]
        return Mixed(tuple(torch.where(chosen, clip, clip[partners]) for clip in clips), partners, float(kept.mean()))


def _partners(clips: tuple[Tensor, ...], rng: np.random.Generator) -> Tensor:
    """Return whom each clip is mixed with, int64 [B]: everybody with another, and nobody twice."""
    order = rng.permutation(len(clips[0]))
    partners = np.empty_like(order)
    partners[order] = np.roll(order, 1)
    return torch.from_numpy(partners).to(clips[0].device)


def _blend(clips: Tensor, others: Tensor, share: float) -> Tensor:
    return (clips.float() * share + others.float() * (1 - share)).round().to(torch.uint8)
