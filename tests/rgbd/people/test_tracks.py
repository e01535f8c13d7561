"""Skeletons as sensors give them: joints jitter and get lost, people vanish for a moment, sofas pass for people."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rgbd.dataset.layouts import NTU
from rgbd.people.tracks import body_tracks, poses_at, without_furniture
from rgbd.recording.skeletons.ntu_skeleton import read_skeleton, write_skeleton
from rgbd.recording.skeletons.skeleton import Body, Skeleton
from tests.support.ntu_recordings import CLIP, body_at, make_recording
from tests.support.ntu_runs import run
from tests.support.processed import records

NUM_FRAMES = 40


def named(body: Body, body_id: str) -> Body:
    return replace(body, body_id=body_id)


def waving(index: int) -> Body:
    """Return somebody who sways by 4 cm, as people who stand do."""
    return named(body_at(0.04 * np.sin(index / 5)), "1")


def sofa(index: int) -> Body:
    """Return a body that only jitters, twice as wide as it is high."""
    body = named(body_at(0.9), "2")
    joints_m = body.joints_m * np.float32([1, 0.3, 1]) * np.float32([3, 1, 1])
    joints_m += np.random.default_rng(index).normal(0, 0.005, joints_m.shape).astype(np.float32)
    return replace(body, joints_m=joints_m)


def with_joints(body: Body, joints_m: np.ndarray) -> Body:
    return replace(body, joints_m=joints_m.astype(np.float32))


def test_jitter_is_halved_and_lost_joints_come_back() -> None:
    rng = np.random.default_rng(0)
    still = body_at(0.0)
    skeleton: Skeleton = []
    for index in range(NUM_FRAMES):
        joints_m = still.joints_m + rng.normal(0, 0.02, (25, 3))
        joints_m[index % 25] = np.nan
        skeleton.append((with_joints(still, joints_m),))
    (track,) = body_tracks(skeleton)
    assert np.isfinite(track.joints_m).all()
    assert np.abs(track.joints_m - still.joints_m).mean() < 0.6 * 0.02 * np.sqrt(2 / np.pi)


def test_movement_is_not_held_back() -> None:
    skeleton: Skeleton = [(body_at(0.1 * index),) for index in range(NUM_FRAMES)]
    (track,) = body_tracks(skeleton)
    expected = np.stack([bodies[0].joints_m for bodies in skeleton])
    np.testing.assert_allclose(track.joints_m[2:-2], expected[2:-2], atol=1e-6)


def test_two_people_under_one_identifier_are_two() -> None:
    skeleton: Skeleton = [(body_at(-0.5), body_at(0.5))] * 3
    assert [track.joints_m[0, 0, 0] for track in body_tracks(skeleton)] == pytest.approx([-0.5, 0.5])


def test_somebody_lost_for_a_moment_is_still_there_and_gone_after_a_second() -> None:
    both, one = (named(body_at(-0.5), "1"), named(body_at(0.5), "2")), (named(body_at(-0.5), "1"),)
    tracks = body_tracks([both] * 5 + [one] * 10 + [both] * 5 + [one] * 60)
    assert len(poses_at(tracks, 10)) == 2
    assert len(poses_at(tracks, 70)) == 1
    assert len(poses_at(tracks, 500)) == 1  # past the skeleton's end


def test_furniture_is_left_out_and_people_who_stand_are_not() -> None:
    skeleton: Skeleton = [(sofa(index), waving(index)) for index in range(NUM_FRAMES)]
    assert {body.body_id for bodies in without_furniture(skeleton) for body in bodies} == {"1"}
    people: Skeleton = [(waving(index), named(body_at(0.8), "2")) for index in range(NUM_FRAMES)]
    assert without_furniture(people) is people


def test_what_looks_like_furniture_may_be_somebody_where_there_is_nobody_else() -> None:
    alone: Skeleton = [(sofa(index),) for index in range(NUM_FRAMES)]
    assert without_furniture(alone) is alone
    assert without_furniture([]) == []


def test_furniture_widens_no_box(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_recording(raw, rgb_frames=8, depth_frames=8)
    assert run(raw, tmp_path / "alone", "--streams", "rgb") == 0
    path = raw / "nturgb+d_skeletons" / f"{CLIP}.skeleton"
    write_skeleton(path, [(*bodies, sofa(index)) for index, bodies in enumerate(read_skeleton(path))])
    assert run(raw, tmp_path / "beside", "--streams", "rgb") == 0
    alone, beside = (records(tmp_path / name)[CLIP] for name in ("alone", "beside"))
    assert alone["box_color_px"] == beside["box_color_px"]
    assert "furniture" in beside["warnings"][0] and not alone["warnings"]
    assert NTU.frame_path(tmp_path / "beside", "rgb", CLIP, 7).exists()
