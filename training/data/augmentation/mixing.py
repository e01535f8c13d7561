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
    weight: float
    as_published: bool = False
    name = "mixup"

    @property
    def is_active(self) -> bool:
        """Whether clips are mixed."""
        return self.alpha > 0

    def mix(self, clips: tuple[Tensor, ...], rng: np.random.Generator) -> Mixed:
        """Return clips whose pixels are mixed."""
        share = float(rng.beta(self.alpha, self.alpha))
        partners = _partners(clips, rng, as_published=self.as_published)
        return Mixed(tuple(_blend(clip, clip[partners], share) for clip in clips), partners, share)


@dataclass(frozen=True)
class ShuffleMix:
    """Frames of one clip among another's, their share drawn from Beta(alpha, alpha). Source: UMDR (TPAMI 2023)."""

    alpha: float
    weight: float
    as_published: bool = False
    name = "shufflemix"

    @property
    def is_active(self) -> bool:
        """Whether clips are mixed."""
        return self.alpha > 0

    def mix(self, clips: tuple[Tensor, ...], rng: np.random.Generator) -> Mixed:
        """Return clips some of whose frames are another clip's; the share is that of the frames kept.

        As published, it is what was drawn, whatever number of frames that rounds to.
        """
        share = float(rng.beta(self.alpha, self.alpha))
        partners = _partners(clips, rng, as_published=self.as_published)
        num_frames = clips[0].shape[1]
        kept = rng.permutation(num_frames) < round(share * num_frames)
        chosen = torch.from_numpy(kept).to(clips[0].device)[None, :, None, None, None]
        mixed = tuple(torch.where(chosen, clip, clip[partners]) for clip in clips)
        return Mixed(mixed, partners, share if self.as_published else float(kept.mean()))


def _partners(clips: tuple[Tensor, ...], rng: np.random.Generator, *, as_published: bool) -> Tensor:
    """Return whom each clip is mixed with, int64 [B]: everybody with another, and nobody twice.

    As published, the first with the last, and so on; of an odd number the one in the middle stays as it is.
    """
    if as_published:
        return torch.arange(len(clips[0]), device=clips[0].device).flip(0)
    order = rng.permutation(len(clips[0]))
    partners = np.empty_like(order)
    partners[order] = np.roll(order, 1)
    return torch.from_numpy(partners).to(clips[0].device)


def _blend(clips: Tensor, others: Tensor, share: float) -> Tensor:
    return (clips.float() * share + others.float() * (1 - share)).round().to(torch.uint8)
