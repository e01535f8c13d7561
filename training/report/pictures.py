"""Pictures of clips as a network sees them: frames, what it looked at, how its tokens read each other."""

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.html_page import picture_address
from training.networks.explanation import FrameMaps, Maps, StreamExplanation

_TILE = 112  # pixels
_GAP = 2
_NUM_THUMBNAILS, _NUM_EXPLAINED = 5, 8
_STRONGEST = 0.65  # how much of the colour map is seen where a map is 1

Picture = NDArray[np.uint8]


def thumbnails(streams: tuple[Picture, ...]) -> str:
    """Return frames spread over a clip, a row for each stream, uint8 [T, H, W, 3], as a data: address."""
    return picture_address(_grid([[_tile(clip[i]) for i in _spread(clip, _NUM_THUMBNAILS)] for clip in streams]))


def explained_frames(clip: Picture, explanation: StreamExplanation) -> str:
    """Return frames spread over one stream's clip, and below each what is drawn of it, as a data: address."""
    indices = _spread(clip, _NUM_EXPLAINED)
    frames = [_tile(clip[index]) for index in indices]
    rows = [[_drawn(frame, maps, i) for frame, i in zip(frames, indices, strict=True)] for maps in explanation.maps]
    return picture_address(_grid([frames, *rows]))


def _drawn(frame: Picture, maps: FrameMaps, index: int) -> Picture:
    values = maps.values[index]
    return _overlay(frame, values) if maps.over_frames else _tile(_coloured(values))


def matrix(values: Maps) -> str:
    """Return a matrix of values from 0 up, one pixel each, as a data: address."""
    return picture_address(_coloured(values / max(float(values.max()), 1e-12)), ".png")


def _spread(clip: Picture, number: int) -> list[int]:
    return np.linspace(0, len(clip) - 1, min(number, len(clip))).astype(int).tolist()


def _tile(image: Picture) -> Picture:
    interpolation = cv2.INTER_AREA if image.shape[0] > _TILE else cv2.INTER_LINEAR
    return cv2.resize(image, (_TILE, _TILE), interpolation=interpolation).astype(np.uint8, copy=False)


def _overlay(frame: Picture, values: Maps) -> Picture:
    """Lay a map [h, w] in [0, 1] over a frame: the stronger, the less is seen of the frame's own colours."""
    values = np.clip(cv2.resize(values, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC), 0, 1)
    share = _STRONGEST * values[:, :, None]
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return (grey * (1 - share) + _coloured(values) * share).astype(np.uint8)


def _coloured(values: Maps) -> Picture:
    """Return a map [h, w] in [0, 1] as RGB colours."""
    levels = (255 * values).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def _grid(rows: list[list[Picture]]) -> Picture:
    padded = [[cv2.copyMakeBorder(tile, 0, _GAP, 0, _GAP, cv2.BORDER_CONSTANT) for tile in row] for row in rows]
    return np.vstack([np.hstack(row) for row in padded])[:-_GAP, :-_GAP].astype(np.uint8, copy=False)
