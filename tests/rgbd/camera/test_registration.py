"""The registration recovers a known map, whatever the outliers."""

import json
from pathlib import Path

import numpy as np
import pytest

from rgbd.camera.registration import (
    Registration,
    fit_registration,
    nominal_registration,
    stretch,
    write_registrations,
)
from rgbd.recording.skeletons.skeleton import Body, joint_pairs

KNOWN = np.array([[2.89, 0.02, 190.0], [-0.01, 2.87, -60.0]])


def pairs(num_joints: int, outlier_share: float, noise_px: float, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    depth = rng.uniform((100, 50), (400, 400), (num_joints, 2)) * scale
    color = depth @ KNOWN[:, :2].T + KNOWN[:, 2] * scale + rng.normal(0, noise_px * scale, (num_joints, 2))
    is_outlier = rng.random(num_joints) < outlier_share
    color[is_outlier] = rng.uniform((0, 0), (1920, 1080), (is_outlier.sum(), 2)) * scale
    return np.hstack([depth, color]).astype(np.float32)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_recovers_a_known_map_among_outliers(scale: float) -> None:
    registration = fit_registration(pairs(5000, 0.2, 2.0, scale))
    assert registration is not None
    assert registration.inlier_share == pytest.approx(0.8, abs=0.03)
    assert registration.residual_px is not None and registration.residual_px < 4 * scale
    corners = np.array([[0, 0], [512, 0], [0, 424], [512, 424]]) * scale
    expected = corners @ KNOWN[:, :2].T + KNOWN[:, 2] * scale
    assert np.abs(registration.to_color(corners) - expected).max() < 2 * scale
    assert np.allclose(registration.to_depth(registration.to_color(corners)), corners)


def test_too_few_joints_or_joints_on_one_line_define_no_map() -> None:
    assert fit_registration(pairs(20, 0, 0)) is None
    on_a_line = pairs(500, 0, 0)
    on_a_line[:, 1] = on_a_line[:, 0]
    on_a_line[:, 3] = on_a_line[:, 2]
    assert fit_registration(on_a_line) is None


def test_joints_without_a_place_in_either_frame_are_left_out() -> None:
    depth = np.arange(50, dtype=np.float32).reshape(25, 2)
    color = depth * 3
    color[3] = np.nan
    zeros = np.zeros((25, 4), np.float32)
    body = Body("1", zeros[:, :3], depth, color, zeros, np.full(25, 2))
    assert len(joint_pairs([(body,), (), (body,)])) == 48
    assert joint_pairs([(), ()]).shape == (0, 4)


def test_stretch_lays_corners_on_corners() -> None:
    registration = stretch((512, 424), (1920, 1080))
    corners = np.array([[-0.5, -0.5], [511.5, 423.5]])
    assert np.allclose(registration.to_color(corners), [[-0.5, -0.5], [1919.5, 1079.5]])


def test_written_file_names_the_camera_and_its_residual(tmp_path: Path) -> None:
    registration = fit_registration(pairs(500, 0, 0))
    assert registration is not None
    write_registrations(tmp_path / "registration.json", {"S001C002": registration})
    written = json.loads((tmp_path / "registration.json").read_text())
    assert written["S001C002"]["residual_px"] < 0.01
    assert np.allclose(written["S001C002"]["matrix"], KNOWN, atol=0.01)


# What somebody fitted to 10,000 joints of each camera of NTU RGB+D's set-up 1: github.com/shahroudy/NTURGB-D, issue 39.
NTU_CAMERAS = [
    [[2.89310518, -0.0233353370, 238.200221], [0.0114394588, 2.88216964, -36.7819523]],
    [[2.90778446, -0.0104633946, 215.505801], [-0.00343830682, 2.91094100, -51.3416831]],
    [[2.89756295, -0.00716367761, 212.645813], [-0.0126919485, 2.89761514, -65.3095423]],
]


@pytest.mark.parametrize("matrix", NTU_CAMERAS)
@pytest.mark.parametrize("shrunk", [1, 4])
def test_kinect_v2_s_nominal_map_is_near_real_cameras(matrix: list[list[float]], shrunk: int) -> None:
    depth_xy = np.stack(np.meshgrid(np.linspace(120, 400, 15), np.linspace(60, 380, 17)), axis=-1).reshape(-1, 2)
    color_xy = depth_xy @ np.array(matrix)[:, :2].T + np.array(matrix)[:, 2]
    sizes = (512 // shrunk, 424 // shrunk), (1920 // shrunk, 1080 // shrunk)
    nominal = nominal_registration(*sizes)
    assert nominal is not None and nominal.source == "nominal"

    def error_px(registration: Registration) -> float:
        found = registration.to_color((depth_xy + 0.5) / shrunk - 0.5)
        return float(np.linalg.norm((found + 0.5) * shrunk - 0.5 - color_xy, axis=1).mean())

    assert error_px(nominal) < 23 and error_px(nominal) < 0.45 * error_px(stretch(*sizes))


@pytest.mark.parametrize("sizes", [((640, 480), (1920, 1080)), ((512, 424), (640, 480)), ((512, 424), (512, 424))])
def test_frames_of_other_cameras_have_no_nominal_map(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    assert nominal_registration(*sizes) is None
