"""One recording, from its number to its files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.ntu.names import parse_clip_name
from preprocess.ntu.recording import DEPTH_FOLDER, RGB_FOLDER, SKELETON_FOLDER
from preprocess.synthetic.body import joints_in_room, mirror_arm
from preprocess.synthetic.cameras import Camera, Floats, kinect
from preprocess.synthetic.motion_sets import STANDARD, MotionSet
from preprocess.synthetic.motions import Motion, Take
from preprocess.synthetic.performers import PERFORMERS
from preprocess.synthetic.render import cast, shade
from preprocess.synthetic.scene import SETUPS, Background, Setup, render_background
from preprocess.synthetic.sensor import add_color_noise, darken_for_noise, measure_depth
from preprocess.synthetic.shadow import cast_shadows
from preprocess.synthetic.solids import Solid, ball, body_solids, flag, glove
from rgbd.files import atomic_folder
from rgbd.recording.skeletons.ntu_skeleton import write_skeleton
from rgbd.recording.skeletons.skeleton import Body, Skeleton
from rgbd.recording.stills.images import write_image
from rgbd.recording.videos.video import write_video

MASK_FOLDER = "body_masks"

_NUM_FRAMES = (28, 44)
_FIRST_BODY_ID = 72057594037927936  # Kinect's ids are of this size


@dataclass(frozen=True)
class RenderedFrame:
    """color uint8 [H, W, 3], depth uint16 millimetres [h, w], mask bool [h, w] of the people, and their skeletons."""

    color: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    mask: NDArray[np.bool_]
    bodies: tuple[Body, ...]


@dataclass(frozen=True)
class RecordingJob:
    """What a worker needs to know: recording number `index` (from 0) of the data set with this seed."""

    out: Path
    index: int
    seed: int
    scale: float
    motions: MotionSet = STANDARD


def clip_name(index: int, motions: MotionSet = STANDARD) -> str:
    """Return the name of recording `index`: actions change fastest, then performers, set-ups and replications."""
    num_actions = len(motions.class_names)
    block, rest = divmod(index, num_actions * len(PERFORMERS))
    performer, action = divmod(rest, num_actions)
    replication, setup = divmod(block, len(SETUPS))
    return f"S{setup + 1:03d}C001P{performer + 1:03d}R{replication + 1:03d}A{action + 1:03d}"


def look(solids: list[Solid], num_body: int, camera: Camera, room_m: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return what a camera sees of solids before a room [h, w]: metres, and which are of the first `num_body`."""
    view = cast(solids, camera)
    depth, mask = room_m.copy(), np.zeros(room_m.shape, np.bool_)
    behind = depth[view.window]
    mask[view.window] = (view.index >= 0) & (view.index < num_body) & (view.depth_m < behind)
    np.minimum(behind, view.depth_m, out=behind)
    return depth, mask


class Recording:
    """One performance in front of the two cameras.

    What it shows depends on index, seed, scale, cameras and the set of motions alone.
    """

    def __init__(
        self,
        index: int,
        seed: int,
        scale: float,
        depth_camera: Camera | None = None,
        motions: MotionSet = STANDARD,
    ) -> None:
        """Take a recording's number from 0, and another depth camera than Kinect v2's, if one is meant."""
        self._rng = np.random.default_rng((seed, index))
        clip = parse_clip_name(clip_name(index, motions))
        self.setup: Setup = SETUPS[clip.setup - 1]
        partner = (clip.performer + (clip.setup + clip.replication) % 9) % len(PERFORMERS)  # never the performer
        self.performers = (PERFORMERS[clip.performer - 1], PERFORMERS[partner])
        self.color_camera, kinects = kinect(scale)
        self.depth_camera = depth_camera or kinects
        self.num_frames = int(self._rng.integers(_NUM_FRAMES[0], _NUM_FRAMES[1] + 1))
        self._thickness = float(self._rng.uniform(0.88, 1.14))
        self._exposure = float(self._rng.uniform(0.88, 1.06))
        take = Take(self.performers[0].tempo, self.setup.distance_m, self.num_frames)
        self.motion: Motion = motions.draw(clip.action, take, self._rng)

    def frames(self) -> Iterator[RenderedFrame]:
        """Yield the frames; once only, for the noise moves on."""
        room = render_background(self.setup, self.color_camera, self.depth_camera)
        empty = darken_for_noise(cv2.convertScaleAbs(room.color, alpha=self._exposure).astype(np.uint8, copy=False))
        for number in range(self.num_frames):
            yield self._frame(room, empty, number / (self.num_frames - 1))

    def _frame(self, room: Background, empty: NDArray[np.uint8], time: float) -> RenderedFrame:
        pictured = self._joints(time)
        body, held = self._solids(pictured, time)
        color = self._paint([*body, *held], pictured, room, empty)
        measured = pictured
        if self.motion.arms_behind:
            measured = [_mirrored(joints, self.motion.arms_behind) for joints in pictured]
            body, held = self._solids(measured, time)
        depth_m, mask = look([*body, *held], len(body), self.depth_camera, room.depth_m)
        depth_mm = measure_depth(depth_m, self._rng)
        bodies = tuple(
            self._skeleton(*joints, number) for number, joints in enumerate(zip(measured, pictured, strict=True))
        )
        return RenderedFrame(add_color_noise(color, self._rng), depth_mm, mask & (depth_mm > 0), bodies)

    def _joints(self, time: float) -> list[Floats]:
        """Return everybody's joints in the depth camera's frame, as colour shows them."""
        people = zip(self.motion.poses_at(time), self.performers, strict=False)  # the second may not be needed
        rooms = (joints_in_room(pose, performer.height_m) for pose, performer in people)
        return [_mirrored(self.setup.mount.to_camera(joints), self.motion.mirrored_arms) for joints in rooms]

    def _solids(self, people: list[Floats], time: float) -> tuple[list[Solid], list[Solid]]:
        """Return what is of bodies, gloves included, and what is held."""
        body: list[Solid] = []
        held: list[Solid] = []
        for joints, performer in zip(people, self.performers, strict=False):
            body += body_solids(joints, performer, self._thickness)
        for prop in self.motion.props:
            match prop.kind:
                case "glove":
                    body += glove(people[0], prop)
                case "ball":
                    held += ball(people[0], prop)
                case "flag":
                    held += flag(people[0], prop, self.setup.mount.rotation[:, 1], float(np.sin(40 * time)))
        return body, held

    def _paint(
        self, solids: list[Solid], people: list[Floats], room: Background, empty: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Return the colours before noise: room, shadows, and everything solid."""
        image = empty.copy()
        cast_shadows(image, room.is_floor, people, self.color_camera, self.setup.mount)
        view = cast(solids, self.color_camera)
        seen, colors = shade(view, solids, self.color_camera, self.setup.mount.rotation[:, 1])
        window = image[view.window]
        window[seen] = np.clip(colors * np.float32(self._exposure), 0, 255).astype(np.uint8)
        image[view.window] = cv2.GaussianBlur(window, (3, 3), 0)
        return image

    def _skeleton(self, measured: Floats, pictured: Floats, number: int) -> Body:
        states = np.full(len(measured), 2)
        places = self.depth_camera.project(measured), self.color_camera.project(pictured)
        return Body(str(_FIRST_BODY_ID + number), measured, *places, np.zeros((len(measured), 4), np.float32), states)


def _mirrored(joints: Floats, sides: tuple[int, ...]) -> Floats:
    for side in sides:
        joints = mirror_arm(joints, side)
    return joints


def write_recording(job: RecordingJob) -> None:
    """Write one recording's video, depth frames, masks and skeleton below `job.out`, each atomically."""
    clip = clip_name(job.index, job.motions)
    recording = Recording(job.index, job.seed, job.scale, motions=job.motions)
    skeleton: Skeleton = []
    with (
        atomic_folder(job.out / DEPTH_FOLDER / clip) as depth_folder,
        atomic_folder(job.out / MASK_FOLDER / clip) as mask_folder,
    ):

        def colors() -> Iterator[NDArray[np.uint8]]:
            # One frame in memory at a time: its other parts are written while the video takes its colours.
            for number, frame in enumerate(recording.frames(), start=1):
                write_image(depth_folder / f"Depth-{number:08d}.png", frame.depth_mm)
                write_image(mask_folder / f"Mask-{number:08d}.png", frame.mask.astype(np.uint8) * np.uint8(255))
                skeleton.append(frame.bodies)
                yield frame.color

        write_video(job.out / RGB_FOLDER / f"{clip}_rgb.avi", colors())
    write_skeleton(job.out / SKELETON_FOLDER / f"{clip}.skeleton", skeleton)
