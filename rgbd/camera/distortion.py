"""Pixels of a lens <-> lines of sight, with the lens's distortion.

A line of sight is given as tangents (x/z, y/z), x right and y down. Models are those of ROS (REP 104 and
sensor_msgs/distortion_models.hpp), of librealsense (rs_types.h) and of Azure Kinect, computed by OpenCV.
"""

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.camera.calibration import Intrinsics

_Model = Literal["polynomial", "inverse", "fisheye"]

# By letters and digits of the name in lower case. Brown-Conrady's is OpenCV's polynomial; librealsense's modified one
# takes the tangential part of places that are distorted already, which is a difference of its second order.
_MODELS: dict[str, _Model] = {
    "plumbbob": "polynomial",
    "rationalpolynomial": "polynomial",
    "rational6kt": "polynomial",
    "brownconrady": "polynomial",
    "modifiedbrownconrady": "polynomial",
    "inversebrownconrady": "inverse",
    "equidistant": "fisheye",
    "kannalabrandt4": "fisheye",
}
_UNDISTORTING = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-9)
_NUM_COEFFICIENTS = {"polynomial": (4, 5, 8, 12, 14), "inverse": (4, 5), "fisheye": (4, 5)}


def is_known(lens: Intrinsics) -> bool:
    """Return whether the lens's model of distortion is one of these, or its coefficients are all 0."""
    model = _model(lens)
    return not any(lens.distortion) or (model is not None and len(lens.distortion) in _NUM_COEFFICIENTS[model])


def lines_of_sight(lens: Intrinsics, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tangents [N, 2] of pixels [N, 2]."""
    places = (pixels - (lens.cx, lens.cy)) / (lens.fx, lens.fy)
    if not any(lens.distortion):
        return places
    match _model(lens):
        case "inverse":  # the polynomial leads from what is seen to where it is
            return _distorted(places, lens)
        case "fisheye":
            return _reshaped(cv2.fisheye.undistortPoints(places[:, None], np.eye(3), _four(lens)))
    return _undistorted(places, lens)


def pixels_of(lens: Intrinsics, tangents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pixels [N, 2] of tangents [N, 2]."""
    places = tangents
    if any(lens.distortion):
        match _model(lens):
            case "inverse":
                places = _undistorted(tangents, lens)
            case "fisheye":
                places = _reshaped(cv2.fisheye.distortPoints(tangents[:, None], np.eye(3), _four(lens)))
            case _:
                places = _distorted(tangents, lens)
    return np.asarray(places * (lens.fx, lens.fy) + (lens.cx, lens.cy), np.float64)


def _model(lens: Intrinsics) -> _Model | None:
    return _MODELS.get("".join(filter(str.isalnum, lens.model.lower())))


def _distorted(places: NDArray[np.float64], lens: Intrinsics) -> NDArray[np.float64]:
    ahead = np.column_stack([places, np.ones(len(places))])
    pixels, _ = cv2.projectPoints(ahead, np.zeros(3), np.zeros(3), np.eye(3), np.array(lens.distortion))
    return _reshaped(pixels)


def _undistorted(places: NDArray[np.float64], lens: Intrinsics) -> NDArray[np.float64]:
    coefficients = np.array(lens.distortion)
    return _reshaped(cv2.undistortPoints(places[:, None], np.eye(3), coefficients, criteria=_UNDISTORTING))


def _four(lens: Intrinsics) -> NDArray[np.float64]:
    return np.array(lens.distortion[:4])


def _reshaped(points: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(points, np.float64).reshape(-1, 2)
