"""What a network takes: how many frames, and what is done to each."""

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, model_validator

from rgbd.clip.depth_encoding import DepthEncoding

_MAX_SIDE = 4096  # of a frame, in pixels: no network is given more
_MAX_BYTES = 1 << 28  # of a clip: 27 times what the published networks take

_Pixels = Annotated[int, Field(ge=1, le=_MAX_SIDE)]
_Side = Annotated[int, Field(ge=32, le=_MAX_SIDE)]  # the network halves a frame five times


def _both(value: object) -> object:
    """Take one number for a square."""
    return (value, value) if isinstance(value, int) else value


class ClipSpec(BaseModel):
    """What a network was trained on. It travels in the checkpoint and in the bundle.

    Frames are resized to `resize`, a rectangle `crop` is cut out, and becomes `size`; all are (width, height), and one
    number means a square. Source: docs/method.md, "Settings by data set"; the defaults are NTU RGB+D's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_frames: int = Field(64, ge=1)
    resize: tuple[_Pixels, _Pixels] = (320, 240)
    crop: Annotated[tuple[_Pixels, _Pixels], BeforeValidator(_both)] = (224, 224)
    size: Annotated[tuple[_Side, _Side], BeforeValidator(_both)] = (224, 224)
    crop_xy: tuple[NonNegativeInt, NonNegativeInt] | None = (
        None  # None: the centre. NvGesture's published evaluation crops at (32, 32).
    )
    depth: DepthEncoding = DepthEncoding()

    @model_validator(mode="after")
    def _crop_fits(self) -> "ClipSpec":
        x, y = self.crop_xy or (0, 0)
        if x + self.crop[0] > self.resize[0] or y + self.crop[1] > self.resize[1]:
            raise ValueError(f"crop {self.crop} at {(x, y)} does not fit into resize {self.resize}")
        if math.prod(self.shape) > _MAX_BYTES:
            raise ValueError(
                f"a clip of {self.num_frames} frames of {self.size} takes more than {_MAX_BYTES >> 20} MiB"
            )
        return self

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of a clip: frames, height, width, channels."""
        width, height = self.size
        return (self.num_frames, height, width, 3)

    @property
    def seen(self) -> tuple[float, float, float, float]:
        """What the network sees of a frame, (x0, y0, x1, y1), as shares of its width and height."""
        (width, height), (x, y) = self.resize, centred_geometry(self).crop_xy
        return x / width, y / height, (x + self.crop[0]) / width, (y + self.crop[1]) / height


@dataclass(frozen=True)
class Geometry:
    """One spatial transform, shared by all frames of a clip and by both its streams.

    `angle_deg` turns counter-clockwise around the frame's centre, `crop_xy` is the crop's upper left corner in pixels
    of the resized frame, `flip` mirrors left and right, and `zoom` is how many times larger all is around its middle.
    """

    crop_xy: tuple[int, int]
    angle_deg: float = 0.0
    flip: bool = False
    zoom: float = 1.0


def centred_geometry(spec: ClipSpec) -> Geometry:
    """Return the geometry used everywhere but in training."""
    width, height = spec.resize
    return Geometry(spec.crop_xy or ((width - spec.crop[0]) // 2, (height - spec.crop[1]) // 2))
