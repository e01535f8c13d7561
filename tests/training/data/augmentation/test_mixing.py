"""Mixing two clips of a batch: what becomes of pixels, frames and shares."""

import numpy as np
import pytest
import torch

from training.config.augmentation import AugmentConfig
from training.data.augmentation.active import active_augmentations
from training.data.augmentation.stages import Mixed, mix

CLIP = torch.randint(0, 255, (4, 8, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def mixed(number: int, **alphas: float) -> Mixed:
    result = mix(active_augmentations(AugmentConfig(**alphas)).batch, (CLIP, CLIP), (number,))
    assert result is not None and torch.equal(result.clips[0], result.clips[1])
    return result


def is_shuffled(result: Mixed) -> bool:
    first, partners = CLIP, CLIP[result.partners]
    from_one = (result.clips[0] == first).flatten(2).all(2) | (result.clips[0] == partners).flatten(2).all(2)
    return bool(from_one.all())


def test_nothing_is_mixed_unless_it_is_asked_for() -> None:
    assert mix(active_augmentations(AugmentConfig()).batch, (CLIP,), (0,)) is None


def test_mixup_blends_pixels() -> None:
    result = mixed(3, mixup=0.8)
    expected = (result.share * CLIP.float() + (1 - result.share) * CLIP[result.partners].float()).round()
    assert torch.equal(result.clips[0].float(), expected)


@pytest.mark.parametrize("key", ["mixup", "shufflemix"])
def test_no_clip_is_its_own_partner(key: str) -> None:
    for number in range(50):
        partners = mixed(number, **{key: 0.8}).partners
        assert sorted(partners.tolist()) == [0, 1, 2, 3] and (partners != torch.arange(4)).all()


def test_shufflemix_exchanges_frames() -> None:
    result = mixed(3, shufflemix=0.8)
    kept = (result.clips[0] == CLIP).flatten(2).all(2).float().mean(1)
    moved = result.partners != torch.arange(4)
    assert is_shuffled(result)
    assert moved.any() and (kept[moved] == result.share).all() and 0 < result.share < 1


def test_of_both_one_is_drawn_for_a_batch_and_draws_as_if_it_were_alone() -> None:
    kinds = []
    for number in range(60):
        both = mixed(number, mixup=0.8, shufflemix=0.8)
        alone = [mixed(number, mixup=0.8), mixed(number, shufflemix=0.8)]
        same = [both.share == one.share and torch.equal(both.clips[0], one.clips[0]) for one in alone]
        assert any(same)
        kinds.append(same.index(True))
    assert 0.3 < np.mean(kinds) < 0.7
