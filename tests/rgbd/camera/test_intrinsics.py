"""The depth camera that follows from a skeleton, and Kinect v1's."""

import numpy as np

from rgbd.camera.intrinsics import DepthCamera, fit_camera
from rgbd.camera.sensors import find_sensor

CAMERA = DepthCamera(np.array([366, -366], np.float32), np.array([255, 211], np.float32))


def standing(width_m: float, height_m: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.uniform(-0.5, 0.5, (200, 3)) * (width_m, height_m, 0.1) + (0.3, 0, 3)).astype(np.float32)


def test_somebody_narrow_tells_the_camera_by_their_height() -> None:
    joints_m = standing(width_m=0.17, height_m=1.6)
    assert (joints_m[:, 0] / joints_m[:, 2]).std() < 0.02
    camera = fit_camera(joints_m, CAMERA.project(joints_m))
    assert camera is not None
    np.testing.assert_allclose(camera.slope, CAMERA.slope, rtol=1e-3)
    np.testing.assert_allclose(camera.centre, CAMERA.centre, atol=0.1)


def test_somebody_who_lies_tells_it_by_their_length() -> None:
    joints_m = standing(width_m=1.6, height_m=0.17)
    camera = fit_camera(joints_m, CAMERA.project(joints_m))
    assert camera is not None
    np.testing.assert_allclose(camera.slope, CAMERA.slope, rtol=1e-3)


def test_joints_that_all_lie_together_or_are_lost_tell_nothing() -> None:
    together = standing(width_m=0.1, height_m=0.1)
    assert fit_camera(together, CAMERA.project(together)) is None
    assert fit_camera(np.zeros((20, 3), np.float32), np.zeros((20, 2), np.float32)) is None


def test_lost_joints_do_not_count() -> None:
    joints_m = standing(0.6, 1.6)
    pixels = CAMERA.project(joints_m)
    joints_m[::4], pixels[::4] = 0, 0
    joints_m[1::4] = np.nan
    camera = fit_camera(joints_m, pixels)
    assert camera is not None
    np.testing.assert_allclose(camera.slope, CAMERA.slope, rtol=1e-3)


def test_a_kinect_v1_s_skeleton_lies_where_its_software_draws_it() -> None:
    camera = find_sensor("kinect_v1").camera((320, 240))
    np.testing.assert_allclose(
        camera.project(np.array([[0.28, -0.56, 2.8]], np.float32)), [[188.563, 177.126]], rtol=1e-5
    )
    assert np.isnan(camera.project(np.zeros((1, 3), np.float32))).all()
