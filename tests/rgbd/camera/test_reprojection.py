"""Depth drawn anew from where the colour camera is, compared with what that camera sees of the same scene.

The scene's truth is cast ray by ray, through lenses of the model that OpenCV documents.
"""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from rgbd.camera.calibration import IDENTITY, Intrinsics, Pose
from rgbd.camera.distortion import is_known, lines_of_sight, pixels_of
from rgbd.camera.reprojection import Reprojection
from rgbd.types import Depth

# Near the Azure Kinect's: NFOV unbinned, 720p, 3.2 cm apart and 6 degrees tilted.
DEPTH = Intrinsics((320, 288), 252, 252, 166, 174, "rational_polynomial", (0.55, -0.02, 2e-5, -7e-5, 0, 0.89, 0.086, 0))
COLOR = Intrinsics((640, 360), 306, 306, 320, 183, "plumb_bob", (0.12, -0.2, -1e-4, -1e-4, 0.08))
TILT = Rotation.from_euler("xyz", (-5, 1, 0.5), degrees=True).as_matrix()
POSE = Pose(tuple(map(tuple, TILT.tolist())), (-0.032, -0.002, 0.004))  # type: ignore[arg-type]


def rays(lens: Intrinsics) -> NDArray[np.float64]:
    """The lines of sight [H, W, 3] of a lens of OpenCV's polynomial."""
    matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]])
    rows, columns = np.indices(lens.size[::-1], np.float64)
    pixels = np.column_stack([columns.ravel(), rows.ravel()])[:, None]
    until = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
    tangents = cv2.undistortPoints(pixels, matrix, np.array(lens.distortion), criteria=until)[:, 0]
    return np.column_stack([tangents, np.ones(len(tangents))]).reshape(*lens.size[::-1], 3)


def scene(lens: Intrinsics, from_depth: Pose) -> Depth:
    """What a camera measures in millimetres: a wall 3 m from the depth camera, and a board before it."""
    rotation, shift = np.array(from_depth.rotation), np.array(from_depth.translation_m)
    directions = rays(lens) @ rotation  # as the depth camera has them
    origin = -rotation.T @ shift
    seen = np.full(lens.size[::-1], np.inf)
    for z, (left, top, right, bottom) in ((3.0, (-9, -9, 9, 9)), (1.5, (-0.3, -0.5, 0.25, 0.6))):
        ahead = (z - origin[2]) / directions[..., 2]
        x, y = (origin[axis] + ahead * directions[..., axis] for axis in (0, 1))
        is_hit = (x > left) & (x < right) & (y > top) & (y < bottom) & (ahead > 0)
        seen = np.where(is_hit & (ahead < seen), ahead, seen)  # the third of a direction is 1: this is z
    return np.where(np.isfinite(seen), np.rint(seen * 1000), 0).astype(np.uint16)


def test_depth_is_drawn_where_the_colour_camera_sees_what_it_shows() -> None:
    drawing = Reprojection(DEPTH, COLOR, POSE, unit_mm=1)
    drawn, truth = drawing.draw(scene(DEPTH, IDENTITY)), scene(drawing.lens, POSE)
    assert drawn.shape == truth.shape and drawing.size[0] / drawing.size[1] == pytest.approx(640 / 360, rel=0.01)
    is_measured = drawn > 0
    board, drawn_board = truth < 2000, is_measured & (drawn < 2000)
    union = (board | drawn_board).sum()
    assert (board & drawn_board).sum() / union > 0.98
    agree = np.abs(drawn.astype(int) - truth)[is_measured & (cv2.erode(board.astype(np.uint8), np.ones((5, 5))) > 0)]
    assert agree.max() <= 6  # half a pixel of a plane that is tilted by 5 degrees, seen from 1.5 m
    background = is_measured & (cv2.dilate(board.astype(np.uint8), np.ones((7, 7))) == 0)
    assert np.abs(drawn.astype(int) - truth)[background].max() <= 12


def test_what_only_the_colour_camera_sees_is_not_measured() -> None:
    apart = Pose(IDENTITY.rotation, (-0.2, 0, 0))
    drawing = Reprojection(DEPTH, COLOR, apart, unit_mm=1)
    drawn, truth = drawing.draw(scene(DEPTH, IDENTITY)), scene(drawing.lens, apart)
    rows = np.flatnonzero((truth < 2000).sum(axis=1) > 5)[5:-5]
    right_of_board = [np.flatnonzero(truth[row] < 2000)[-1] + 4 for row in rows]
    assert all(drawn[row, column] == 0 for row, column in zip(rows, right_of_board, strict=True))


def test_frames_are_as_fine_as_depth_and_have_no_cracks() -> None:
    drawing = Reprojection(DEPTH, COLOR, POSE, unit_mm=1)
    assert 0.75 < drawing.lens.fx / DEPTH.fx < 1.1
    drawn = drawing.draw(np.full((288, 320), 2000, np.uint16))
    inside = cv2.erode(
        cv2.morphologyEx((drawn > 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 9))), np.ones((9, 9))
    )
    assert (drawn[inside > 0] == 0).mean() < 0.002


@pytest.mark.parametrize("unit_mm", [0.25, 1, 2])
def test_the_unit_is_kept(unit_mm: float) -> None:
    frame = np.full((288, 320), round(2000 / unit_mm), np.uint16)
    ahead = Pose(IDENTITY.rotation, (0, 0, 0.5))
    drawn = Reprojection(DEPTH, COLOR, ahead, unit_mm).draw(frame)
    assert set(np.unique(drawn)) == {0, round(2500 / unit_mm)}


def test_what_is_too_far_for_16_bits_or_behind_the_camera_is_not_drawn() -> None:
    frame = np.full((288, 320), 65000, np.uint16)
    for shift in (3.0, -70.0):
        assert not Reprojection(DEPTH, COLOR, Pose(IDENTITY.rotation, (0, 0, shift)), 1).draw(frame).any()


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [
        ("plumb_bob", (0.05, -0.1, 0.001, 0.002, 0.03)),
        ("Brown Conrady", (0.05, -0.1, 0.001, 0.002, 0.03)),
        ("Inverse Brown Conrady", (-0.055, 0.066, 5e-4, -1e-3, -0.02)),
        ("rational_polynomial", (0.5, -2.7, 5e-4, -1e-4, 1.6, 0.4, -2.5, 1.5)),
        ("equidistant", (0.1, -0.05, 0.01, 0.0)),
        ("Kannala Brandt4", (0.1, -0.05, 0.01, 0.0, 0.0)),
        ("F-Theta", (0.0,) * 5),
        ("", ()),
    ],
)
def test_pixels_and_lines_of_sight_lead_to_each_other(model: str, coefficients: tuple[float, ...]) -> None:
    lens = Intrinsics((640, 480), 600, 601, 321, 239, model, coefficients)
    pixels = np.stack(np.meshgrid(np.linspace(0, 639, 9), np.linspace(0, 479, 7)), axis=-1).reshape(-1, 2)
    assert is_known(lens)
    np.testing.assert_allclose(pixels_of(lens, lines_of_sight(lens, pixels)), pixels, atol=1e-3)


def test_the_inverse_polynomial_leads_from_what_is_seen_to_where_it_is() -> None:
    # librealsense, rs2_deproject_pixel_to_point: x * (1 + k1 r2 + k2 r4 + k3 r6) + 2 p1 x y + p2 (r2 + 2 x2).
    k1, k2, p1, p2, k3 = coefficients = (-0.055, 0.066, 5e-4, -1e-3, -0.02)
    lens = Intrinsics((640, 480), 600, 600, 320, 240, "Inverse Brown Conrady", coefficients)
    x, y = 0.4, -0.3
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    expected = (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y),
    )
    np.testing.assert_allclose(lines_of_sight(lens, np.array([[560.0, 60.0]])), [expected], atol=1e-9)


@pytest.mark.parametrize(
    ("model", "coefficients"), [("F-Theta", (0.1,)), ("thin prism", (0.1,) * 4), ("plumb_bob", (1.0,))]
)
def test_other_models_are_not_guessed(model: str, coefficients: tuple[float, ...]) -> None:
    assert not is_known(replace(COLOR, model=model, distortion=coefficients))


def test_lenses_that_look_elsewhere_are_an_error() -> None:
    turned = Rotation.from_euler("y", 180, degrees=True).as_matrix()
    with pytest.raises(ValueError, match="elsewhere"):
        Reprojection(DEPTH, COLOR, Pose(tuple(map(tuple, turned.tolist())), (0, 0, 0)), 1)  # type: ignore[arg-type]
