"""One raw RGB-D recording -> its cropped colour frames, its masked depth frames and the record of both.

Frames are streamed: whatever a recording's length, a few of them are in memory at a time.
"""

from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from rgbd.camera.registration import Registration, stretch
from rgbd.clip.crop import OUTPUT_SIZE, crop_depth, crop_picture, fit_height
from rgbd.dataset.records import MIN_MASK_COVERAGE, ClipRecord
from rgbd.dataset.store import ClipWriter, Store
from rgbd.errors import DatasetError
from rgbd.people.boxes import depth_box
from rgbd.people.clip_boxes import ClipBoxes, RoiMode, find_boxes
from rgbd.people.masked_depth import MaskedDepth, MaskMode, mask_depth
from rgbd.recording.skeleton import Skeleton
from rgbd.recording.sources import ColorFrames, DepthFrames
from rgbd.types import Size, Stream

_JPEG_QUALITY = {False: 95, True: 75}  # by whether the published way is wanted; REFERENCE.md section 7


OnEmpty = Literal["fail", "keep"]
"""What becomes of a clip without anything in any depth frame: it fails, or is kept whole."""


class EmptyDepthError(DatasetError):
    """No depth frame of a clip would show anything."""


@dataclass(frozen=True)
class RawClip:
    """The streams of one recording, of which any may be missing.

    skeleton: the bodies of each depth frame; empty where there is none. registration: the camera's, None if unknown.
    """

    name: str
    color: ColorFrames | None = None
    depth: DepthFrames | None = None
    official: DepthFrames | None = None
    skeleton: Skeleton | None = None
    registration: Registration | None = None


@dataclass(frozen=True)
class Treatment:
    """What is made of a recording: how depth is masked, what the frames are cropped to, what if nothing is left."""

    masks: MaskMode
    roi: RoiMode
    on_empty: OnEmpty


def process_rgbd(
    raw: RawClip, streams: tuple[Stream, ...], treatment: Treatment, store: Store, warnings: list[str]
) -> ClipRecord:
    """Write the wanted streams of one recording, all or none, and return the record.

    Raises `UserError` for a recording that cannot be used; what else is odd joins `warnings` in the record.
    """
    try:
        return _Clip(raw, streams, treatment, list(warnings)).write(store)
    except EmptyDepthError as error:
        if treatment.on_empty == "fail":
            remedy = "--on-empty keep keeps such recordings whole"
            if treatment.masks != "none":
                remedy += ", --masks none all depth of every recording"
            raise EmptyDepthError(f"{error}; {remedy}") from error
        # Colour that was written before, alone, shows the middle of the frame, and depth has to show the same part.
        roi = treatment.roi if raw.color is not None and "rgb" not in streams else "whole"
        kept = _Clip(raw, streams, Treatment("none", roi, "keep"), [*warnings, f"{error}; it was kept whole"])
        return kept.write(store, may_be_empty=True)


class _Clip:
    def __init__(self, raw: RawClip, streams: tuple[Stream, ...], treatment: Treatment, warnings: list[str]) -> None:
        self._raw, self._streams, self._treatment, self._warnings = raw, streams, treatment, warnings
        skeleton: Skeleton = raw.skeleton or []
        self._skeleton = skeleton if raw.color is not None else _in_depth_pixels(skeleton)
        self._depth, is_official = _depth_to_use(raw, treatment.masks)
        if ("rgb" in streams and raw.color is None) or ("depth" in streams and self._depth is None):
            raise DatasetError(f"{raw.name}: lacks one of the streams {', '.join(streams)}")
        self._color_size = raw.color.size if raw.color is not None else None
        self._depth_size = _depth_size(self._depth) if self._depth is not None else None
        if self._skeleton and self._depth is not None and len(self._skeleton) != len(self._depth):
            warnings.append(f"the skeleton has {len(self._skeleton)} frames, the depth {len(self._depth)}")
        self._registration = self._registered()
        self._is_masked = "depth" in streams and treatment.masks != "none"
        box_needs_masks = treatment.roi == "legacy" or (treatment.roi != "whole" and not any(skeleton))
        self._masked: MaskedDepth | None = None
        if self._depth is not None and (self._is_masked or box_needs_masks):
            self._masked = mask_depth(self._depth, skeleton, treatment.masks, is_official=is_official)

    @property
    def _frame_size(self) -> Size:
        """The size of the frames that boxes lie in: the colour frames', or depth's where there is no colour."""
        size = self._color_size or self._depth_size
        assert size is not None  # one of both streams is there
        return size

    def _registered(self) -> Registration:
        if self._raw.registration is not None and self._color_size:
            return self._raw.registration
        if self._depth_size and self._color_size and self._color_size != self._depth_size:
            self._warnings.append(
                "no skeleton of this camera registers depth to colour; one frame was stretched over the other"
            )
        return stretch(self._depth_size or self._frame_size, self._frame_size)

    def write(self, store: Store, *, may_be_empty: bool = False) -> ClipRecord:
        boxes = find_boxes(
            self._treatment.roi, self._frame_size, self._skeleton, self._masked, self._registration, self._warnings
        )
        num_depth = len(self._depth) if self._depth is not None else None
        with store.writer(self._raw.name, self._streams) as writer:
            num_color = len(self._raw.color) if self._raw.color is not None else None
            if "rgb" in self._streams:
                num_color = self._write_color(writer, boxes, num_depth)
            num_frames = min(num for num in (num_color, num_depth) if num is not None)
            if "depth" in self._streams and not self._write_depth(writer, boxes, num_frames) and not may_be_empty:
                raise EmptyDepthError(self._why_empty(num_frames))
        if num_color is not None and num_depth is not None and num_color != num_depth:
            self._warnings.append(
                f"{num_color} colour frames but {num_depth} of depth; the first {num_frames} were kept"
            )
        return self._record(boxes, num_frames, num_color, num_depth)

    def _write_color(self, writer: ClipWriter, boxes: ClipBoxes, num_depth: int | None) -> int:
        """Write the frames that have depth, if there is any; return how many there are."""
        assert self._raw.color is not None
        quality = _JPEG_QUALITY[self._treatment.roi == "legacy"]
        num_frames = 0
        # The video is read to its end even past the last depth frame: a broken end has to be found.
        for picture in self._raw.color:
            if num_depth is None or num_frames < num_depth:
                writer.add("rgb", crop_picture(picture, boxes[num_frames], self._size), jpeg_quality=quality)
            num_frames += 1
        return num_frames

    def _write_depth(self, writer: ClipWriter, boxes: ClipBoxes, num_frames: int) -> bool:
        """Write the frames and return whether they show anything, a person where depth is masked."""
        assert self._depth is not None
        frames = self._masked.cut_out() if self._masked and self._is_masked else iter(self._depth)
        is_left_whole = self._treatment.roi == "legacy"  # as published
        shows_anything = False
        for index, frame in enumerate(islice(frames, num_frames)):
            cropped = frame if is_left_whole else crop_depth(frame, boxes[index], self._registration, self._size)
            writer.add("depth", cropped)
            shows_anything = shows_anything or bool(cropped.any())
        if self._masked and self._is_masked and self._masked.num_empty:
            self._warnings.append(f"{self._masked.num_empty} of {num_frames} depth frames show no body")
        is_scraps = self._masked is not None and self._is_masked and self._masked.coverage < MIN_MASK_COVERAGE
        return shows_anything and not is_scraps

    def _why_empty(self, num_frames: int) -> str:
        if self._masked is None or not self._is_masked:
            return (
                f"none of its {num_frames} depth frames holds a measurement inside the box that frames are cropped to"
            )
        if self._masked.coverage >= MIN_MASK_COVERAGE:
            return f"none of its {num_frames} depth frames shows a body inside the box that frames are cropped to"
        found = f"a body was found in {num_frames - self._masked.num_empty} of its {num_frames} depth frames only"
        if self._masked.num_empty < num_frames:
            return f"{found}, and covers {self._masked.coverage:.2%} of them on average: too little for a person"
        return f"no body was found in any of its {num_frames} depth frames"

    @property
    def _size(self) -> Size:
        return fit_height(self._frame_size) if self._treatment.roi == "whole" else OUTPUT_SIZE

    def _record(self, boxes: ClipBoxes, num_frames: int, num_color: int | None, num_depth: int | None) -> ClipRecord:
        masked = self._masked if self._is_masked else None
        registers = self._color_size is not None and self._depth_size is not None
        return ClipRecord(
            clip=self._raw.name,
            status="done",
            streams=self._streams,
            num_frames=num_frames,
            rgb_frames_in=num_color,
            depth_frames_in=num_depth,
            color_size=self._color_size,
            depth_size=self._depth_size,
            roi=self._treatment.roi,
            box_color_px=boxes.only if self._color_size else None,
            box_depth_px=depth_box(boxes.only, self._registration) if boxes.only and self._depth_size else None,
            registration=self._registration.source if registers else None,
            mask_source=masked.source if masked else None,
            mask_coverage=round(masked.coverage, 5) if masked else None,
            empty_masks=masked.num_empty if masked else None,
            warnings=tuple(self._warnings),
        )


def _depth_to_use(raw: RawClip, masks: MaskMode) -> tuple[DepthFrames | None, bool]:
    """Return the depth frames to write, and whether they are official masks; these stand in for missing depth."""
    is_official = raw.official is not None and (masks == "official" or raw.depth is None)
    return raw.official if is_official else raw.depth, is_official


def _depth_size(frames: DepthFrames) -> Size:
    height, width = frames.spread(1)[0].shape
    return width, height


def _in_depth_pixels(skeleton: Skeleton) -> Skeleton:
    """Return the skeleton of a recording without colour, for which depth pixels stand in."""
    return [tuple(replace(body, color_xy=body.depth_xy) for body in bodies) for bodies in skeleton]
