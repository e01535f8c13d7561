"""The configuration's `augment` -> the augmentations of a run: the one list of all there are."""

from typing import TypeVar

from training.config.augmentation import AugmentConfig
from training.data.augmentation.depth_noise import DepthNoise
from training.data.augmentation.frames import OnePerBin, Span
from training.data.augmentation.geometry import Flip, RandomCrop, Rotation, Zoom
from training.data.augmentation.mixing import MixUp, ShuffleMix
from training.data.augmentation.photometric import Photometric
from training.data.augmentation.stages import Augmentation, Stages
from training.data.augmentation.viewpoint import Viewpoint

_Kind = TypeVar("_Kind", bound=Augmentation)


def active_augmentations(config: AugmentConfig, *, as_published: bool = False) -> Stages:
    """Return those that the configuration asks for, by stage; within a stage they work in this order.

    `as_published` is of the batch: `legacy.mixing`.
    """
    return Stages(
        frames=_active(OnePerBin(), Span(config.span)),
        raw=_active(Viewpoint(config.viewpoint), DepthNoise(config.depth_noise), Photometric(config.photometric)),
        geometry=_active(
            RandomCrop(), Rotation(config.rotated, config.angle_deg), Flip(config.flip), Zoom(config.zoom)
        ),
        batch=_active(
            MixUp(config.mixup, 1 - config.shufflemix_share, as_published),
            ShuffleMix(config.shufflemix, config.shufflemix_share, as_published),
        ),
    )


def _active(*augmentations: _Kind) -> tuple[_Kind, ...]:
    return tuple(each for each in augmentations if each.is_active)
