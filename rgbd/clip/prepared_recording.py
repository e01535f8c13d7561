"""A recording of which is known where its people are, and what is cropped from it: its frames, made as asked for."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, repeat
from operator import itemgetter

import av
import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.registration import Registration
from rgbd.clip.crop import crop_depth, crop_picture
from rgbd.clip.pairing import Pairing, pair_streams
from rgbd.clip.preparation import Preparation
from rgbd.errors import DatasetError
from rgbd.people.boxes import depth_box
from rgbd.people.clip_boxes import ClipBoxes, find_boxes, looked_at
from rgbd.people.individuals import Individual
from rgbd.people.masked_depth import MaskedDepth
from rgbd.recording.depth import MeasuredDepth
from rgbd.recording.recording import Recording
from rgbd.recording.stills.images import decode_image, encode_image
from rgbd.recording.streams import Picture, StreamReader, frame_of
from rgbd.recording.timeline import Indices
from rgbd.types import Box, Frame, Size, Stream


@dataclass(frozen=True)
class PreparedRecording:
    """A recording, where its people are, and what is cropped from it.

    kept: which frames, as far as streams were counted when it was prepared. depth: the stream that depth is taken from,
    as it lies over colour where calibration tells that; None where there is none. bodies: its frames and where people
    are in them, where that matters. used: the numbers of the depth frames whose people count. registration: how depth
    lies on colour. warnings: what is odd about the recording, or was found to be.
    """

    recording: Recording
    preparation: Preparation
    kept: Pairing
    depth: StreamReader | None
    bodies: MaskedDepth | None
    used: Indices
    registration: Registration
    boxes: ClipBoxes
    size: Size
    warnings: tuple[str, ...]

    def only(self, streams: tuple[Stream, ...]) -> "PreparedRecording":
        """Return the same with fewer streams to write."""
        return replace(self, preparation=self.preparation.model_copy(update={"streams": streams}))

    @property
    def masked(self) -> MaskedDepth | None:
        """The frames of depth, where they are to be masked or have been masked already."""
        return self.bodies if self.preparation.masks_depth else None

    @property
    def searched_by(self) -> DepthCamera | None:
        """By whose lines of sight people were searched in depth alone; None where they were not."""
        return self.bodies.camera if self.bodies is not None and self.bodies.source == "depth" else None

    def individuals(self) -> list[Individual]:
        """Return the people who were found in depth, the largest first."""
        assert self.bodies is not None
        return self.bodies.individuals(looked_at(self.used))

    def of_person(self, person: int, people: Sequence[Individual]) -> "PreparedRecording":
        """Return the same cropped to, and masked for, one of its people."""
        assert self.bodies is not None
        bodies, boxes = self.bodies.only(person, people), self.boxes
        if boxes.roi != "whole":
            boxes = find_boxes(boxes.roi, self.frame_size, [], bodies, self.registration, self.used)
        return replace(self, bodies=bodies, boxes=boxes)

    @property
    def frame_size(self) -> Size:
        """Of the frames that boxes are of: those of colour, or of depth alone."""
        first = self.recording.rgb or self.depth
        assert first is not None
        return first.size

    def box_in(self, stream: Stream, frame_in_depth: int) -> Box:
        """Return what is cut out of a stream's frame that was taken with this one of depth; it may reach beyond it."""
        box = self.boxes[frame_in_depth]
        if stream == "rgb":
            return box
        assert self.depth is not None
        return (0, 0, *self.depth.size) if self.preparation.roi == "legacy" else depth_box(box, self.registration)

    def uncut(self, stream: Stream, numbers: Sequence[int]) -> Iterator[Frame]:
        """Yield frames as they were recorded, uint8 RGB [H, W, 3] or uint16 millimetres [H, W].

        numbers: which of those that are kept; they ascend and differ.
        """
        places: list[int] = self.kept.places[stream][np.array(numbers, np.int64)].tolist()
        wanted = np.unique(places).tolist()
        reader = self.recording.rgb if stream == "rgb" else self.depth
        assert reader is not None
        if reader.is_depth:
            frames: Iterator[Frame] = MeasuredDepth(reader, self.recording.depth_unit_mm).at(wanted)
        else:
            frames = (frame_of(picture) for picture in reader.read(wanted))
        num_uses = Counter(places)
        for place, frame in zip(wanted, frames, strict=False):
            yield from repeat(frame, num_uses[place])

    def pair(self) -> Pairing:
        """Return which frames are to be kept, now that more may have been counted; raises as `prepare`."""
        return pair_recording(self.recording, self.depth)

    def pictures(self) -> Iterator[Picture]:
        """Yield all colour frames as they come, for `crop_color`; raises `UserError` at the first that is unlike."""
        return self._color(None)

    def _color(self, places: Sequence[int] | None) -> Iterator[Picture]:
        stream = self.recording.rgb
        assert stream is not None
        for number, picture in enumerate(stream.read(places)):
            if not isinstance(picture, av.VideoFrame) and (picture.ndim != 3 or picture.shape[1::-1] != stream.size):
                name, size = stream.frame_name(places[number] if places else number), "{}x{}".format(*stream.size)
                raise DatasetError(f"{name}: is not a colour image of {size} as those before it")
            yield picture

    def crop_color(self, picture: Picture, frame_in_depth: int) -> NDArray[np.uint8]:
        """Return what is kept of a colour frame, which was taken with this one of depth: uint8 RGB [H, W, 3]."""
        return crop_picture(picture, self.boxes[frame_in_depth], self.size)

    def depth_frames(self, places: Indices) -> Iterator[tuple[Frame, float]]:
        """Yield what is kept of the depth frames at these places, which ascend, and may come more than once.

        uint16 millimetres [H, W], or uint8 RGB [H, W, 3] where depth comes as 8-bit images; and the share of the raw
        frame that its mask keeps. Ends early where there are fewer frames.
        """
        assert self.depth is not None
        num_uses = Counter(places.tolist())
        for place, (picture, share) in enumerate(self._raw_depth()):
            if num_uses[place]:
                kept = self._crop_depth(picture, self.boxes[place])
                yield from repeat((kept, share), num_uses[place])
            # To the end where the last frame is kept: a broken end has to be found.
            if places[-1] == place < self.depth.num_frames - 1:
                return

    def sample(self, stream: Stream, numbers: Indices) -> Iterator[tuple[Frame, float]]:
        """Yield some of the frames that are kept of a stream, as the data set holds them; no others are decoded.

        numbers: which, counted among those kept; they ascend, and may come more than once. What is yielded is as
        `depth_frames` says; of colour, the share is 1.
        """
        places, in_depth = self.kept.places[stream][numbers].tolist(), self.kept.by_depth[numbers].tolist()
        raw = self._raw(stream, sorted(set(places)))
        for _, together in groupby(zip(places, in_depth, strict=True), key=itemgetter(0)):
            picture, share = next(raw)
            for _, number in together:
                yield self.keep(stream, picture, number), share
        for _ in raw:  # to the end: only then a video is known to be counted rightly
            pass

    def keep(self, stream: Stream, picture: Picture, frame_in_depth: int) -> Frame:
        """Return what is kept of a frame, which may have been taken after all others, as the data set holds it."""
        return self._as_stored(stream, self._crop(stream, picture, frame_in_depth))

    def _raw(self, stream: Stream, places: Sequence[int]) -> Iterator[tuple[Picture, float]]:
        return ((picture, 1.0) for picture in self._color(places)) if stream == "rgb" else self._raw_depth(places)

    def _crop(self, stream: Stream, picture: Picture, frame_in_depth: int) -> Frame:
        if stream == "rgb":
            return self.crop_color(picture, frame_in_depth)
        return self._crop_depth(picture, self.boxes[frame_in_depth])

    def _as_stored(self, stream: Stream, frame: Frame) -> Frame:
        """Return a frame as it is read from the data set."""
        if frame.ndim == 2 or stream not in self.preparation.as_jpeg:
            return frame
        return decode_image(encode_image(".jpg", frame, jpeg_quality=self.preparation.jpeg_quality), stream)

    def _raw_depth(self, places: Sequence[int] | None = None) -> Iterator[tuple[Picture, float]]:
        assert self.depth is not None
        if self.masked is not None:
            return iter(self.masked.cut_out(places))
        if self.depth.is_depth:
            frames = MeasuredDepth(self.depth, self.recording.depth_unit_mm)
            return ((frame, 1.0) for frame in (frames if places is None else frames.at(places)))
        return ((picture, 1.0) for picture in self.depth.read(places))

    def _crop_depth(self, picture: Picture, box: Box) -> Frame:
        if self.preparation.roi == "legacy":
            return frame_of(picture)  # whole, as published
        if isinstance(picture, np.ndarray) and picture.ndim == 2:
            return crop_depth(picture.astype(np.uint16, copy=False), box, self.registration, self.size)
        return crop_picture(picture, depth_box(box, self.registration), self.size)


def pair_recording(recording: Recording, depth: StreamReader | None) -> Pairing:
    """Return which frames of a recording's colour and of this depth are kept; raises as `pair_streams`."""
    present: tuple[tuple[Stream, StreamReader | None], ...] = (("rgb", recording.rgb), ("depth", depth))
    return pair_streams({stream: reader for stream, reader in present if reader is not None}, recording.fps)
