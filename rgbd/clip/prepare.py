"""A recording -> where its people are, and what a preparation crops from it."""

from dataclasses import replace

from rgbd.camera.registration import Registration, nominal_registration, stretch
from rgbd.camera.sensors import nominal_camera
from rgbd.clip.crop import whole_size
from rgbd.clip.preparation import Preparation
from rgbd.clip.prepared_recording import PreparedRecording, pair_recording
from rgbd.errors import DatasetError
from rgbd.people.clip_boxes import find_boxes
from rgbd.people.masked_depth import MaskedDepth, mask_depth
from rgbd.recording.depth import HeldDepth, MeasuredDepth
from rgbd.recording.recording import Recording
from rgbd.recording.registered import RegisteredDepth, registered
from rgbd.recording.skeletons.skeleton import Skeleton
from rgbd.recording.streams import StreamReader
from rgbd.types import Size


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
    kept = pair_recording(recording, depth)
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
        taken = (
            "its map was taken for that of other cameras of Kinect v2, on NTU's recordings 10 to 30 pixels of 1920 off"
        )
        return depth, nominal, (f"{lacking}; {taken}",)
    taken = "one frame was stretched over the other, on NTU's recordings 20 to 75 pixels of 1920 off"
    return depth, stretch(depth.size, color.size), (f"{lacking}; {taken}",)


def _bodies(
    recording: Recording, depth: StreamReader | None, preparation: Preparation, *, is_official: bool
) -> MaskedDepth | None:
    """Return where the bodies are in depth, if it is to be masked, or boxes have to follow from it."""
    box_needs_masks = preparation.roi == "legacy" or (preparation.roi != "whole" and not any(recording.skeleton))
    if depth is None or not (preparation.masks_depth or box_needs_masks):
        return None
    if not depth.is_depth:
        if not preparation.masks_depth:
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
