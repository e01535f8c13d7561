"""A recording -> the frames that a preparation makes of it, a few of them in memory at a time."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, repeat
from operator import itemgetter

import av
import numpy as np
from numpy.typing import NDArray

from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.registration import Registration, nominal_registration, stretch
from rgbd.camera.sensors import nominal_camera
from rgbd.clip.crop import crop_depth, crop_picture, whole_size
from rgbd.clip.pairing import Pairing, pair_streams
from rgbd.clip.preparation import Preparation
from rgbd.errors import DatasetError
from rgbd.people.boxes import depth_box
from rgbd.people.clip_boxes import ClipBoxes, find_boxes, looked_at
from rgbd.people.individuals import Individual
from rgbd.people.masked_depth import MaskedDepth, mask_depth
from rgbd.recording.depth import HeldDepth, MeasuredDepth
from rgbd.recording.recording import Recording
from rgbd.recording.registered import RegisteredDepth, registered
from rgbd.recording.skeletons.skeleton import Skeleton
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
        return self.bodies if _masks_depth(self.preparation) else None

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
        return _pair(self.recording, self.depth)

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
                yield self._as_stored(stream, self._crop(stream, picture, number)), share
        for _ in raw:  # to the end: only then a video is known to be counted rightly
            pass

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


def prepare(
    recording: Recording, preparation: Preparation, start_s: float = 0.0, end_s: float | None = None
) -> PreparedRecording:
    """Find the people of a recording, and what to crop to; raises `UserError` where it cannot be prepared like this.

    Frames are made when they are asked for. Where a box follows from masks, that takes a pass over depth already.
    start_s, end_s: seconds from the first frame that is kept, between which people count; None: the end.
    """
    depth, is_official = _depth_to_use(recording, preparation)
    for stream, reader in (("rgb", recording.rgb), ("depth", depth)):
        if stream in preparation.streams and reader is None:
            raise DatasetError(f"{recording.name}: lacks one of the streams {', '.join(preparation.streams)}")
    first = recording.rgb or depth
    assert first is not None  # one of both is asked for
    depth, registration, odd = _registered(recording, depth, first.size)
    skeleton = recording.skeleton if recording.rgb is not None else _in_depth_pixels(recording.skeleton)
    bodies = _bodies(recording, depth, preparation, is_official=is_official)
    if bodies is not None and bodies.source == "given":
        odd = ("its depth came without a background; all of it was taken for the people's", *odd)
    if bodies is not None and bodies.source == "depth" and bodies.camera.doubt:
        odd = (*odd, bodies.camera.doubt)
    kept = _pair(recording, depth)
    first_used, end_used = next(iter(kept.alignment.whole(start_s, end_s).ranges.values()))
    used = kept.by_depth[first_used:end_used]
    boxes = find_boxes(preparation.roi, first.size, skeleton, bodies, registration, used)
    if recording.skeleton and depth is not None and len(recording.skeleton) != depth.num_frames:
        odd = (f"the skeleton has {len(recording.skeleton)} frames, the depth {depth.num_frames}", *odd)
    preparation = preparation.model_copy(update={"roi": boxes.roi})
    return PreparedRecording(
        recording=recording,
        preparation=preparation,
        kept=kept,
        depth=depth,
        bodies=bodies,
        used=used,
        registration=registration,
        boxes=boxes,
        size=whole_size(first.size, preparation.size[1]) if boxes.roi == "whole" else preparation.size,
        warnings=(*recording.warnings, *odd, *boxes.warnings),
    )


def _depth_to_use(recording: Recording, preparation: Preparation) -> tuple[StreamReader | None, bool]:
    """Return the depth to take, and whether it is masked already; such depth stands in for missing depth."""
    official = recording.masked_depth
    is_official = official is not None and (preparation.masks == "official" or recording.depth is None)
    return official if is_official else recording.depth, is_official


def _pair(recording: Recording, depth: StreamReader | None) -> Pairing:
    present: tuple[tuple[Stream, StreamReader | None], ...] = (("rgb", recording.rgb), ("depth", depth))
    return pair_streams({stream: reader for stream, reader in present if reader is not None}, recording.fps)


def _registered(
    recording: Recording, depth: StreamReader | None, size: Size
) -> tuple[StreamReader | None, Registration, tuple[str, ...]]:
    """Return depth, drawn anew where it is laid over colour, how it lies on frames of `size`, and what is odd there."""
    color = recording.rgb
    if recording.registration is not None and color is not None:
        return depth, recording.registration, ()
    if depth is None or color is None:
        return depth, stretch(depth.size if depth is not None else size, size), ()
    if not any(recording.skeleton) and (found := registered(depth, color, recording.depth_unit_mm)) is not None:
        return *found, ()
    if color.size == depth.size:
        return depth, stretch(depth.size, size), ()
    lacking = "no skeleton of this camera registers depth to colour"
    if (nominal := nominal_registration(depth.size, color.size)) is not None:
        return depth, nominal, (f"{lacking}; its map was taken for that of other cameras of Kinect v2",)
    return depth, stretch(depth.size, color.size), (f"{lacking}; one frame was stretched over the other",)


def _masks_depth(preparation: Preparation) -> bool:
    return "depth" in preparation.streams and preparation.masks != "none"


def _bodies(
    recording: Recording, depth: StreamReader | None, preparation: Preparation, *, is_official: bool
) -> MaskedDepth | None:
    """Return where the bodies are in depth, if it is to be masked, or boxes have to follow from it."""
    box_needs_masks = preparation.roi == "legacy" or (preparation.roi != "whole" and not any(recording.skeleton))
    if depth is None or not (_masks_depth(preparation) or box_needs_masks):
        return None
    if not depth.is_depth:
        if not _masks_depth(preparation):
            return None  # nobody can be found in it, and nobody has to be
        raise DatasetError(
            f"{depth.name}: is depth as 8-bit images, in which nobody can be found; export depth as 16-bit, or keep "
            "all of it: --masks none"
        )
    frames = HeldDepth(MeasuredDepth(depth, recording.depth_unit_mm))
    is_drawn = isinstance(depth, RegisteredDepth)  # then what is known of the depth camera holds no more
    known = depth.camera.depth_camera(depth.size) if is_drawn else recording.depth_camera
    camera = known or nominal_camera(depth.size, recording.depth_unit_mm)
    return mask_depth(frames, recording.skeleton, preparation.masks, camera, is_official=is_official)


def _in_depth_pixels(skeleton: Skeleton) -> Skeleton:
    """Return the skeleton of a recording without colour, for which depth pixels stand in."""
    return [tuple(replace(body, color_xy=body.depth_xy) for body in bodies) for bodies in skeleton]
