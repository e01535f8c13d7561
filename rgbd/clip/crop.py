"""A box of a frame -> the small picture that is kept, without converting the rest of the frame.

Boxes are (x0, y0, x1, y1) in pixels, half-open; sizes are (width, height).
"""

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from rgbd.camera.registration import Registration
from rgbd.recording.streams import Picture
from rgbd.types import Box, Size

OUTPUT_SIZE = (320, 240)  # what the networks of NTU RGB+D take; docs/method.md, "Settings by data set"

_FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG
_BT601_OR_UNSAID = (2, 5, 6)  # FFmpeg's AVCOL_SPC_UNSPECIFIED, _BT470BG, _SMPTE170M


def crop_picture(picture: Picture, box: Box, size: Size = OUTPUT_SIZE) -> NDArray[np.uint8]:
    """Return the box of a decoded video frame, or of an RGB image [H, W, 3], resized: uint8 RGB [height, width, 3].

    A box at odd pixels may shift the colours against the brightness by half a pixel of the video.
    """
    x0, y0, x1, y1 = box
    if not isinstance(picture, av.VideoFrame):
        return _resize(picture[y0:y1, x0:x1].astype(np.uint8, copy=False), size)
    if not _is_plain_420(picture) or size[0] % 2 or size[1] % 2:
        return _resize(picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False)[y0:y1, x0:x1], size)
    # Brightness and the two colour planes of half the size are cut and shrunk on their own, and only the few pixels
    # that are left become RGB: an eighth of the time of converting the whole 1080p frame first.
    brightness, *colors = (_plane(plane) for plane in picture.planes)
    half = (size[0] // 2, size[1] // 2)
    parts = [_resize(brightness[y0:y1, x0:x1], size)]
    parts += [_resize(color[y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2], half) for color in colors]
    packed = np.concatenate([part.reshape(-1) for part in parts]).reshape(size[1] * 3 // 2, size[0])
    return cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_I420).astype(np.uint8, copy=False)


def _is_plain_420(picture: av.VideoFrame) -> bool:
    # The kind of YUV that OpenCV's conversion means. Others, rare here, go through the video library's.
    return (
        picture.format.name == "yuv420p"
        and picture.color_range != _FULL_RANGE
        and picture.colorspace in _BT601_OR_UNSAID
    )


def _plane(plane: VideoPlane) -> NDArray[np.uint8]:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _resize(image: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Halve while that is no less than asked for, then interpolate: each source pixel counts, in a fifth of the time.

    OpenCV averages exact halves fast, and other shares slowly.
    """
    height, width = image.shape[:2]
    while width >= 2 * size[0] and height >= 2 * size[1]:
        width, height = width // 2, height // 2
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def whole_size(frame_size: Size, max_height: int = OUTPUT_SIZE[1]) -> Size:
    """Return the size of a whole frame: its own, or, where that is higher than what is kept, shrunk; even then."""
    width, height = frame_size
    return frame_size if height <= max_height else (2 * round(max_height * width / height / 2), max_height)


def crop_depth(
    depth_mm: NDArray[np.uint16], box: Box, registration: Registration, size: Size = OUTPUT_SIZE
) -> NDArray[np.uint16]:
    """Return what a depth frame [H, W] sees of a box of colour pixels: uint16 of `size`, laid exactly over the colour.

    The nearest depth pixel is taken, since a mean of near and far lies where nothing is; 0 outside the depth frame.
    """
    x0, y0, x1, y1 = box
    x, y = (x1 - x0) / size[0], (y1 - y0) / size[1]
    to_box = np.array([[x, 0, x0 + 0.5 * x - 0.5], [0, y, y0 + 0.5 * y - 0.5], [0, 0, 1]])
    to_color = np.vstack([registration.matrix, [0, 0, 1]])
    to_depth = np.linalg.solve(to_color, to_box)[:2]
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(depth_mm, to_depth, size, flags=flags, borderValue=0).astype(np.uint16, copy=False)


def letterbox(picture: NDArray[np.uint8], size: Size, margin: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a picture [H, W, 3] in the middle of one of this (width, height), its shape kept; `margin` is a colour."""
    height, width = picture.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    whole = np.full((*size[::-1], 3), margin, np.uint8)
    x, y = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    whole[y : y + inner[1], x : x + inner[0]] = cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    return whole
