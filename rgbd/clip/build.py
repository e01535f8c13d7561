"""The one transform: sampled frames -> the uint8 clip that every network of ours takes."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.clip.depth_encoding import DepthEncoding, encode_depth
from rgbd.clip.spec import ClipSpec, Geometry
from rgbd.errors import MediaError
from rgbd.recording.depth import check_one_kind
from rgbd.types import Frame, Stream


def build_clip(frames: Sequence[Frame], stream: Stream, spec: ClipSpec, geometry: Geometry) -> NDArray[np.uint8]:
    """Return uint8 [T, H, W, 3]: the sampled `frames` of a stream, depth as colours, each through one affine warp.

    `frames` are uint8 RGB [H, W, 3] or uint16 millimetres [H, W], already sampled to `spec.num_frames`.
    Raises `MediaError` when they are not of the kind that the network was trained on: depth in the colour stream, 8-bit
    depth where it needs millimetres, or millimetres where it needs 8-bit depth.
    Source: docs/method.md, "Geometry". Deliberate difference: rotation, resize, crop and resize are one bilinear warp
    behind an area filter, where the reference resamples up to three times with Pillow's bicubic filter.
    """
    if len(frames) != spec.num_frames:
        raise ValueError(f"expected {spec.num_frames} sampled frames, got {len(frames)}")
    check_one_kind(frames)
    check_kind(stream, spec, is_measured=frames[0].ndim == 2)
    clip = np.empty(spec.shape, np.uint8)
    for image, output in zip(_as_images(frames, spec.depth), clip, strict=True):
        warp_frame(image, spec, geometry, output)
    return clip


def check_kind(stream: Stream, spec: ClipSpec, *, is_measured: bool) -> None:
    """Raise `MediaError` where frames are not of the kind that the network was trained on, as `build_clip` says.

    is_measured: whether they are 16-bit depth, not images.
    """
    wants_images = spec.depth.mode == "image"
    if stream == "rgb" and is_measured:
        raise MediaError("holds 16-bit depth; give it as depth, and the colour frames as rgb")
    if stream == "depth" and is_measured and wants_images:
        raise MediaError("holds 16-bit depth, but this model was trained on 8-bit depth images; give such images")
    if stream == "depth" and not is_measured and not wants_images:
        raise MediaError(
            "holds 8-bit images, but this model needs distances; give 16-bit PNG frames, 16-bit FFV1 video "
            "(gray16le), or a uint16 .npz"
        )


def warp_frame(image: NDArray[np.uint8], spec: ClipSpec, geometry: Geometry, output: NDArray[np.uint8]) -> None:
    """Write one frame, uint8 RGB, into `output`, uint8 [H, W, 3], as `build_clip` does."""
    frame_size = height, width = image.shape[:2]
    zoom = geometry.zoom * spec.size[0] / spec.crop[0], geometry.zoom * spec.size[1] / spec.crop[1]
    scale = (zoom[0] * spec.resize[0] / width, zoom[1] * spec.resize[1] / height)
    # A bilinear warp reads 2x2 pixels, so it would skip pixels when it shrinks by 2 or more: average those first.
    factor = (max(1, int(1 / scale[0])), max(1, int(1 / scale[1])))
    if factor != (1, 1):
        smaller = (width // factor[0], height // factor[1])
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    to_frame = _output_to_frame(spec, geometry, frame_size)
    matrix = (_from_resized(image.shape[:2], frame_size) @ to_frame)[:2]
    if (cut := _cut(image, matrix, spec.size)) is not None:
        output[:] = cut
        return
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # Rotation uncovers corners: black, as in the reference. Without it, samples half a pixel outside repeat the edge.
    uncovers = geometry.angle_deg != 0 or geometry.zoom < 1
    border = cv2.BORDER_CONSTANT if uncovers else cv2.BORDER_REPLICATE
    # Four channels take OpenCV half the time of three.
    padded = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    warped = cv2.warpAffine(padded, matrix, spec.size, flags=flags, borderMode=border)
    cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=output)


def _as_images(frames: Sequence[Frame], encoding: DepthEncoding) -> list[NDArray[np.uint8]]:
    if frames[0].ndim == 3:
        return [frame.astype(np.uint8, copy=False) for frame in frames]
    return encode_depth([frame.astype(np.uint16, copy=False) for frame in frames], encoding)


def _cut(image: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """Return the output where each of its pixels is one of the image's, mirrored or not; None elsewhere."""
    x0, y0 = (int(start) for start in matrix[:, 2])
    flip = bool(matrix[0, 0] < 0)
    if not np.array_equal(matrix, [[-1 if flip else 1, 0, x0], [0, 1, y0]]):
        return None
    width, height = size
    left = x0 - (width - 1) if flip else x0
    if min(left, y0) < 0:
        return None
    part = image[y0 : y0 + height, left : left + width]
    if part.shape[:2] != (height, width):
        return None
    return part[:, ::-1] if flip else part


def _output_to_frame(spec: ClipSpec, geometry: Geometry, frame_size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the 3x3 matrix from output pixel centres to those of a frame (rows, columns), which is turned first."""
    seen = spec.crop[0] / geometry.zoom, spec.crop[1] / geometry.zoom
    step_x, step_y = seen[0] / spec.size[0], seen[1] / spec.size[1]
    crop_x, crop_y = (
        corner + (crop - part) / 2 for corner, crop, part in zip(geometry.crop_xy, spec.crop, seen, strict=True)
    )
    flip = np.array([[-1, 0, spec.size[0] - 1], [0, 1, 0], [0, 0, 1]] if geometry.flip else np.eye(3))
    to_resized = np.array(
        [[step_x, 0, crop_x + 0.5 * step_x - 0.5], [0, step_y, crop_y + 0.5 * step_y - 0.5], [0, 0, 1]]
    )
    to_frame = _from_resized(frame_size, (spec.resize[1], spec.resize[0]))
    return np.asarray(_turn(geometry.angle_deg, frame_size) @ to_frame @ to_resized @ flip)


def _turn(angle_deg: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """Return the 3x3 matrix from pixels of a turned picture (rows, columns) to the picture's own."""
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    centre_y, centre_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    # y points down, so the matrix that reads from a counter-clockwise turned picture has -sin in its upper row.
    return np.array(
        [
            [cos, -sin, centre_x - cos * centre_x + sin * centre_y],
            [sin, cos, centre_y - sin * centre_x - cos * centre_y],
            [0, 0, 1],
        ]
    )


def _from_resized(size: tuple[int, int], resized: tuple[int, int]) -> NDArray[np.float64]:
    """Return the 3x3 matrix from pixel centres of a resized picture (rows, columns) to the picture's own."""
    y, x = size[0] / resized[0], size[1] / resized[1]
    return np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]])  # centres: hence the halves
