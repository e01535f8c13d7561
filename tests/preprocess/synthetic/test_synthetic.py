"""Rendered recordings: right layout, true geometry, the same files always, pairs that one stream cannot tell."""

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from preprocess.ntu import dataset as ntu
from preprocess.ntu.names import parse_clip_name
from preprocess.synthetic.__main__ import main
from preprocess.synthetic.cameras import kinect
from preprocess.synthetic.motions import CLASS_NAMES, Take, draw_motion
from preprocess.synthetic.performers import plain
from preprocess.synthetic.recording import Recording, RenderedFrame, clip_name
from preprocess.synthetic.render import cast
from preprocess.synthetic.solids import Ball, Cone
from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import read_class_names, read_split
from rgbd.errors import DatasetError
from rgbd.recording.skeletons.ntu_skeleton import read_skeleton
from rgbd.recording.stills.images import read_image
from rgbd.recording.videos.video import read_video
from tests.support.waiting import wait_until

SCALE = 0.2  # 384x216 and 102x84 pixels
SEED = 3
HANDS = (7, 11)


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def render(out: Path, clips: int, jobs: int) -> int:
    return main(["--out", str(out), "--clips", str(clips), "--seed", str(SEED), "--scale", "0.2", "--jobs", str(jobs)])


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One recording of each motion."""
    folder = tmp_path_factory.mktemp("raw")
    assert render(folder, 10, 1) == 0
    return folder


def frame_at(recording: Recording, share: float) -> RenderedFrame:
    index = int(share * (recording.num_frames - 1))
    return next(islice(recording.frames(), index, None))


def test_writes_the_layout_of_ntu(raw: Path) -> None:
    assert read_class_names(raw) == CLASS_NAMES
    assert list(ntu.find_sources(raw)) == sorted(clip_name(index) for index in range(10))
    for index in range(10):
        clip = clip_name(index)
        assert parse_clip_name(clip).label == index
        colors = list(read_video(raw / "nturgb+d_rgb" / f"{clip}_rgb.avi"))
        skeleton = read_skeleton(raw / "nturgb+d_skeletons" / f"{clip}.skeleton")
        assert 28 <= len(colors) == len(skeleton) <= 44
        assert colors[0].shape == (216, 384, 3)
        assert {len(bodies) for bodies in skeleton} == {2 if index == 9 else 1}
        for number in (1, len(colors)):
            depth = read_image(raw / "nturgb+d_depth" / clip / f"Depth-{number:08d}.png")
            mask = read_image(raw / "body_masks" / clip / f"Mask-{number:08d}.png")
            assert depth.shape == mask.shape[:2] == (84, 102)
            assert depth.dtype == np.uint16 and depth.max() <= 8000
            assert set(np.unique(mask)) == {0, 255}
        for folder in ("nturgb+d_depth", "body_masks"):
            assert len(list((raw / folder / clip).iterdir())) == len(colors)
    assert not list(raw.rglob("*.tmp*"))


def test_names_run_through_actions_performers_and_setups() -> None:
    assert clip_name(0) == "S001C001P001R001A001"
    assert clip_name(57) == "S001C001P006R001A008"
    assert clip_name(399) == "S004C001P010R001A010"
    assert clip_name(400) == "S001C001P001R002A001"


def test_neither_jobs_nor_later_clips_change_a_byte(raw: Path, tmp_path: Path) -> None:
    assert render(tmp_path, 3, 2) == 0
    again = hashes(tmp_path)
    assert len(again) > 3 * 2 * 28
    whole = hashes(raw)
    assert again == {name: whole[name] for name in again}


def test_full_size_is_that_of_the_kinect() -> None:
    color, depth = kinect(1.0)
    assert (color.width, color.height, depth.width, depth.height) == (1920, 1080, 512, 424)


@pytest.mark.parametrize("tilt", [-0.4, 0.0, 0.3])
def test_rays_meet_solids_where_geometry_says(tilt: float) -> None:
    camera = kinect(1.0)[1]
    paint = plain((200, 100, 50))
    column, row = camera.tangents
    ball = cast([Ball(np.array((0.2, 0.1, 3.0), np.float32), 0.5, paint)], camera)
    y, x = np.nonzero(ball.index == 0)
    z = ball.depth_m[y, x]
    x, y = x + ball.box[0], y + ball.box[1]
    points = np.stack([column[x] * z, row[y] * z, z], axis=-1)
    assert np.allclose(np.linalg.norm(points - (0.2, 0.1, 3.0), axis=1), 0.5, atol=1e-3)
    assert len(z) == pytest.approx(np.pi * (0.5 * camera.focal_px[0] / 3.0) ** 2, rel=0.05)
    start, end = np.array((-0.6, 0.0, 3 - tilt), np.float32), np.array((0.6, 0.0, 3 + tilt), np.float32)
    cone = cast([Cone(start, end, (0.2, 0.2), paint)], camera)
    y, x = np.nonzero(cone.index == 0)
    z = cone.depth_m[y, x]
    points = np.stack([column[x + cone.box[0]] * z, row[y + cone.box[1]] * z, z], axis=-1)
    axis = (end - start) / np.linalg.norm(end - start)
    away = np.linalg.norm(np.cross(points - start, axis), axis=1)
    assert len(z) > 6000 and np.allclose(away, 0.2, atol=1e-3)


def test_another_seed_is_another_clip() -> None:
    first, second = (next(Recording(0, seed, SCALE).frames()) for seed in (1, 2))
    assert not np.array_equal(first.bodies[0].joints_m, second.bodies[0].joints_m)


def test_ntu_preprocessing_takes_the_recordings(raw: Path, tmp_path: Path) -> None:
    assert ntu.main(["--raw", str(raw), "--out", str(tmp_path), "--jobs", "1"]) == 0
    entries = read_split(NTU.split_file(tmp_path, "train", "CS"), NTU)
    assert [entry.label for entry in entries] == list(range(10))
    records = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert {record["mask_source"] for record in records} == {"skeleton"}
    assert all(record["warnings"] == [] for record in records)


@pytest.fixture(scope="module", params=range(10))
def some_frame(request: pytest.FixtureRequest) -> Iterator[tuple[RenderedFrame, RenderedFrame]]:
    """A frame out of the middle of each motion, and one with somebody far to the side, which shows the room instead."""
    recording, aside = (Recording(request.param, SEED, 0.4) for _ in range(2))
    (first, *_) = aside.motion.poses_at(0.0)
    pose = replace(first, place=(2.0, first.place[1]), right_hand=None)
    aside.motion = replace(aside.motion, poses_at=lambda _: (pose,), props=(), mirrored_arms=())
    yield frame_at(recording, 0.4), next(aside.frames())


def test_body_masks_are_where_the_body_is_nearer_than_the_room(
    some_frame: tuple[RenderedFrame, RenderedFrame],
) -> None:
    frame, empty = some_frame
    both = frame.mask & (empty.depth_mm > 0)
    assert not (frame.mask & empty.mask).any()
    # Feet stand on the floor: there the noise decides.
    nearer = empty.depth_mm[both].astype(int) - frame.depth_mm[both]
    assert np.mean(nearer > 0) > 0.97 and np.median(nearer) > 500
    assert 0.01 < frame.mask.mean() < 0.2
    assert (frame.depth_mm[frame.mask] > 0).all()


def test_joints_lie_on_the_body_in_both_images(some_frame: tuple[RenderedFrame, RenderedFrame]) -> None:
    frame, empty = some_frame
    changed = np.abs(frame.color.astype(int) - empty.color).max(axis=2) > 16
    for body in frame.bodies:
        for places, image, share in ((body.depth_xy, frame.mask, 0.85), (body.color_xy, changed, 0.8)):
            x, y = np.rint(places).astype(int).T
            assert (x >= 0).all() and (x < image.shape[1]).all() and (y >= 0).all() and (y < image.shape[0]).all()
            # Some joints fall into holes of the depth, or have the colour of the wall by chance.
            assert image[y, x].mean() >= share


def test_depth_at_a_joint_is_the_joints_less_the_flesh_before_it() -> None:
    frame = frame_at(Recording(8, SEED, 0.5), 0.0)
    (body,) = frame.bodies
    x, y = np.rint(body.depth_xy).astype(int).T
    measured_m = frame.depth_mm[y, x] / 1000
    before = (body.joints_m[:, 2] - measured_m)[measured_m > 0]
    assert len(before) >= 20 and (before > -0.05).all() and (before < 0.2).all()


def test_depth_has_noise_that_grows_with_distance_and_holes_at_edges() -> None:
    frames = [frame.depth_mm for frame in Recording(8, SEED, 0.5).frames()]
    stack = np.stack(frames).astype(float)
    always = (stack > 0).all(axis=0)
    spread, distance = stack.std(axis=0)[always], stack.mean(axis=0)[always]
    near, far = np.median(spread[distance < 2500]), np.median(spread[distance > 4500])
    assert 1 < near < far < 40 and far > 2 * near
    holes = (stack == 0).mean()
    assert 0.002 < holes < 0.1


@pytest.mark.parametrize(("action", "sides"), [(1, (0, 1)), (3, (0,))])
def test_towards_and_away_look_alike_and_differ_in_depth(action: int, sides: tuple[int, ...]) -> None:
    towards, away, still = (Recording(action - 1, SEED, 0.4) for _ in range(3))
    motion = towards.motion
    poses = motion.poses_at
    # One arm is drawn left or right: take the one that moves.
    moving = [side for side in (0, 1) if poses(0.1)[0].arms[side] != poses(0.6)[0].arms[side]]
    assert len(moving) == len(sides)
    away.motion = replace(motion, mirrored_arms=tuple(moving))
    still.motion = replace(motion, poses_at=lambda _: poses(0.0))
    pairs = list(zip(towards.frames(), away.frames(), still.frames(), strict=True))
    shoulders = [(4, 8)[side] for side in moving]
    hands = [HANDS[side] for side in moving]
    depths = [
        [frame.bodies[0].joints_m[hands, 2] - frame.bodies[0].joints_m[shoulders, 2] for frame in pair[:2]]
        for pair in pairs
    ]
    most = max(range(len(pairs)), key=lambda index: float(-depths[index][0].min()))
    assert (depths[most][0] < -0.4).all() and (depths[most][1] > 0.4).all()
    front, behind, rest = pairs[most]
    assert np.allclose(front.bodies[0].color_xy, behind.bodies[0].color_xy, atol=0.01)
    between = np.abs(front.color.astype(int) - behind.color).mean()
    moved = np.abs(front.color.astype(int) - rest.color).mean()
    assert between < 0.2 * moved


@pytest.mark.parametrize("first", [1, 3, 5, 7])
def test_the_two_motions_of_a_pair_are_drawn_alike(first: int) -> None:
    pair = [draw_motion(action, Take(1.0, 3.0, 30), np.random.default_rng(7)) for action in (first, first + 1)]
    for moment in (0.0, 0.2, 0.5, 0.9):
        assert pair[0].poses_at(moment) == pair[1].poses_at(moment)
    assert pair[0] != pair[1]
    is_colour_pair = pair[0].props != ()
    assert (pair[0].mirrored_arms == pair[1].mirrored_arms) == is_colour_pair


@pytest.mark.parametrize("action", [5, 7])
def test_only_colour_tells_flags_and_gloves_apart(action: int) -> None:
    first, second = (Recording(action - 1, SEED, 0.4) for _ in range(2))
    (held,) = first.motion.props
    (prop,) = draw_motion(action + 1, Take(1.0, 3.0, 30), np.random.default_rng(0)).props
    second.motion = replace(second.motion, props=(replace(held, color=prop.color),))
    one, other = frame_at(first, 0.5), frame_at(second, 0.5)
    assert np.array_equal(one.depth_mm, other.depth_mm) and np.array_equal(one.mask, other.mask)
    differs = np.abs(one.color.astype(int) - other.color).max(axis=2) > 60
    # Large enough to be seen when the person is shrunk to 64 pixels.
    height_px = np.ptp(one.bodies[0].color_xy[:, 1])
    assert differs.sum() > 0.01 * height_px**2


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--scale", "0", "from 0.05 to 1"),
        ("--clips", "0", "from 1"),
        ("--jobs", "-1", "from 1"),
        ("--seed", "x", "from 0"),
    ],
)
def test_wrong_values_are_refused(
    option: str, value: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "raw"), option, value])
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "raw").exists()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("mine")
    with pytest.raises(DatasetError, match=r"raw: cannot be written .* name another folder"):
        main(["--out", str(tmp_path / "raw"), "--clips", "1"])


def test_interrupted_it_leaves_whole_clips_only(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "preprocess.synthetic",
        "--out",
        str(tmp_path),
        "--clips",
        "500",
        "--scale",
        "0.05",
    ]
    with subprocess.Popen([*command, "--jobs", "1"], stderr=subprocess.PIPE) as process:
        wait_until(lambda: any(tmp_path.glob("nturgb+d_skeletons/*.skeleton")), process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in errors
    assert not list(tmp_path.rglob("*.tmp*"))
    for folder in tmp_path.glob("nturgb+d_depth/*"):
        assert len(list(folder.iterdir())) >= 28


def test_nothing_is_rendered_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    assert main(["--out", str(tmp_path / "raw"), "--clips", "1", "--scale", "0.05"]) == 0
    (tmp_path / "raw" / "nturgb+d_rgb").rename(tmp_path / "moved")
    (tmp_path / "raw" / "nturgb+d_rgb").symlink_to(tmp_path / "real")
    with pytest.raises(DatasetError, match=r"nturgb\+d_rgb leads elsewhere"):
        main(["--out", str(tmp_path / "raw"), "--clips", "1", "--scale", "0.05"])
    assert not list((tmp_path / "real").iterdir())
