"""Depth in millimetres -> the 8-bit colour image that a network sees."""

from collections.abc import Sequence
from typing import Annotated, Literal, assert_never

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from rgbd.legacy import legacy_centre

_Millimetres = Annotated[int, Field(ge=1, le=65_535)]  # as uint16 holds them


class DepthEncoding(BaseModel):
    """How millimetres become colours; saved with every model, so that a service encodes as training did.

    mode:
        range    clip to [near_mm, far_mm], scale to 8 bits, near is bright; no depth stays black. The default.
        centred  the same for a range of +-span_mm around the clip's median depth: indifferent to where people stand.
        wrapped  the reference's own, which the authors' depth weights need.
        image    the recording already is an 8-bit image, as NvGesture and IsoGD publish it; nothing is done.
    colors, in modes range and centred: jet, the reference's colour map in RGB order; grey, three equal channels; or
        motion: grey as red, and how it differs from the frame before, as green, and from that after, as blue, both from
        128 for no difference at half the scale.
    version: of what the modes mean. Where one of them comes to give other pixels, it gets a new one, and models that
    were trained on this one keep their meaning.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    mode: Literal["range", "centred", "wrapped", "image"] = "range"
    colors: Literal["jet", "grey", "motion"] = "jet"
    near_mm: _Millimetres = 500  # what a Kinect v2 measures reliably
    far_mm: _Millimetres = 4500
    span_mm: _Millimetres = 1000  # a person with arms stretched towards and away from the camera fits

    @model_validator(mode="after")
    def _ordered(self) -> "DepthEncoding":
        if self.near_mm >= self.far_mm:
            raise ValueError(f"near_mm < far_mm is needed, got {self}")
        return self


def encode_depth(
    frames: Sequence[NDArray[np.uint16]], encoding: DepthEncoding, limits_mm: tuple[int, int] | None = None
) -> list[NDArray[np.uint8]]:
    """Return one uint8 RGB [H, W, 3] image for each uint16 millimetre frame [H, W] of a clip.

    limits_mm: `depth_limits` of the clip, where these are not all of its frames.
    """
    if encoding.mode == "wrapped":
        return [wrapped_depth_image(frame) for frame in frames]
    near, far = limits_mm or depth_limits(frames, encoding)
    scaled = [_scale(frame, near, far) for frame in frames]
    if encoding.colors == "jet":
        return [_colored(frame, grey) for frame, grey in zip(frames, scaled, strict=True)]
    black = [np.where(frame > 0, grey, np.uint8(0)) for frame, grey in zip(frames, scaled, strict=True)]
    if encoding.colors == "grey":
        return [np.repeat(frame[:, :, None], 3, axis=2) for frame in black]
    return _with_motion(black)


def depth_limits(frames: Sequence[NDArray[np.uint16]], encoding: DepthEncoding) -> tuple[int, int]:
    """Return the distances, in millimetres, that are black and white in a clip of uint16 millimetre frames [H, W]."""
    match encoding.mode:
        case "range" | "wrapped":
            return encoding.near_mm, encoding.far_mm
        case "centred":
            measured = np.concatenate([frame[frame > 0] for frame in frames])
            median = int(np.median(measured)) if measured.size else encoding.far_mm
            return median - encoding.span_mm, median + encoding.span_mm
        case "image":
            raise AssertionError("depth that comes as an image is not encoded")
        case never:
            assert_never(never)


def _scale(depth_mm: NDArray[np.uint16], near: int, far: int) -> NDArray[np.uint8]:
    # Near is 255, so that what moves towards the camera lights up.
    return np.asarray(np.clip((far - depth_mm.astype(np.float32)) * (255 / (far - near)), 0, 255), np.uint8)


def _with_motion(grey: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Return uint8 [H, W, 3] for each frame [H, W]: itself, and where it differs from the frames beside it."""
    before, after = [grey[0], *grey[:-1]], [*grey[1:], grey[-1]]
    return [
        np.stack([frame, _difference(frame, earlier), _difference(later, frame)], axis=2)
        for earlier, frame, later in zip(before, grey, after, strict=True)
    ]


def _difference(frame: NDArray[np.uint8], earlier: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return ((frame.astype(np.int16) - earlier) // 2 + 128).astype(np.uint8)


def _colored(depth_mm: NDArray[np.uint16], scaled: NDArray[np.uint8]) -> NDArray[np.uint8]:
    colors = cv2.cvtColor(cv2.applyColorMap(scaled, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)  # from blue (0) to red (255)
    return cv2.copyTo(colors, (depth_mm > 0).view(np.uint8)).astype(np.uint8, copy=False)  # black elsewhere


def wrapped_depth_image(depth_mm: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return the reference's image of one masked depth frame: uint8 [240, 320, 3], channels in BGR order.

    Source: docs/method.md, "Depth as an image". `uint8(255 * depth)` wraps to (-depth) mod 256, giving 256 mm fringes;
    a 320x240 window around the body is cut out, clipped at the borders; then JET. Without a body the frame's centre
    stands in for the window's, where the reference crashes.
    """
    wrapped = (-depth_mm.astype(np.int64) % 256).astype(np.uint8)
    height, width = wrapped.shape
    x, y = legacy_centre(wrapped) or (width // 2, height // 2)
    window = wrapped[max(0, y - 120) : y + 120, max(0, x - 160) : x + 160]
    return cv2.applyColorMap(window, cv2.COLORMAP_JET).astype(np.uint8, copy=False)
