"""The one transform for streams without end: frames are made as `build_clip` makes them, a few at a time."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rgbd.clip.build import check_kind, warp_frame
from rgbd.clip.depth_encoding import depth_limits, encode_depth
from rgbd.clip.spec import ClipSpec, centred_geometry
from rgbd.types import Depth, Frame, Stream

_Portion = Mapping[Stream, NDArray[np.uint8]]


class InStep:
    """Lets frames of all streams go on together, where portions have more of one than of another."""

    def __init__(self) -> None:
        self._waiting: _Portion = {}

    def add(self, portion: _Portion) -> _Portion:
        """Return what can go on of each stream, [n, H, W, 3], as many of each, now that these frames have come."""
        waiting = {
            stream: np.concatenate([self._waiting[stream], new]) if stream in self._waiting else new
            for stream, new in portion.items()
        }
        num_ready = min(map(len, waiting.values()))
        self._waiting = {stream: frames[num_ready:] for stream, frames in waiting.items()}
        return {stream: frames[:num_ready] for stream, frames in waiting.items()}


class RunningClip:
    """A stream of sampled frames on the way to the network.

    Where depth is told from the clip's own median, that of the first frames, as many as a clip has, is taken for all:
    until they have come, none goes on. Where colours tell motion, a frame waits for the one after it.
    """

    def __init__(self, stream: Stream, spec: ClipSpec) -> None:
        self._stream, self._spec, self._geometry = stream, spec, centred_geometry(spec)
        self._limits_mm: tuple[int, int] | None = None
        self._before: list[Depth] = []  # the last that has gone on, where a frame's image depends on it
        self._waiting: list[Frame] = []

    def add(self, frames: Sequence[Frame], *, is_end: bool = False) -> NDArray[np.uint8]:
        """Return what can go on, uint8 [n, H, W, 3], now that these frames have come; all of it at the end.

        frames: uint8 RGB [H, W, 3] or uint16 millimetres [H, W]. Raises `MediaError` as `build_clip`.
        """
        for frame in frames:
            check_kind(self._stream, self._spec, is_measured=frame.ndim == 2)
        self._waiting += frames
        images = self._images(is_end=is_end)
        clip = np.empty((len(images), *self._spec.shape[1:]), np.uint8)
        for image, output in zip(images, clip, strict=True):
            warp_frame(image, self._spec, self._geometry, output)
        return clip

    def _images(self, *, is_end: bool) -> list[NDArray[np.uint8]]:
        """Return the frames that go on as 8-bit images."""
        if not self._waiting:
            return []
        if self._waiting[0].ndim == 3:
            taken, self._waiting = self._waiting, []
            return [frame.astype(np.uint8, copy=False) for frame in taken]
        encoding, depth = self._spec.depth, [frame.astype(np.uint16, copy=False) for frame in self._waiting]
        if self._limits_mm is None:
            if len(depth) < self._spec.num_frames and encoding.mode == "centred" and not is_end:
                return []
            self._limits_mm = depth_limits(depth[: self._spec.num_frames], encoding)
        images = encode_depth([*self._before, *depth], encoding, self._limits_mm)[len(self._before) :]
        if encoding.colors != "motion":
            self._waiting = []
            return images
        num_done = len(depth) if is_end else len(depth) - 1
        self._before = [*self._before, *depth[:num_done]][-1:]
        self._waiting = self._waiting[num_done:]
        return images[:num_done]
