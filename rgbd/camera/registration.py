"""Depth pixel -> colour pixel: one affine map for each camera, fitted to what the skeletons know of both.

NTU RGB+D publishes no calibration, but every joint of every skeleton has its place in the depth frame and in the
colour frame. The true map also depends on distance (the two lenses are 5 cm apart); at the 2 to 4.5 m of these
recordings that leaves some pixels of 1920, which the reported residual includes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from rgbd.camera.calibration import Intrinsics
from rgbd.errors import DatasetError
from rgbd.files import atomic_file
from rgbd.types import Size

REGISTRATION_FILE = "registration.json"

Row = tuple[float, float, float]
RegistrationSource = Literal["calibration", "joints", "nominal", "stretch"]

# Joints further off than this share of the joints' spread are outliers: about 45 px of 1920, which leaves room for the
# parallax between the lenses.
_OUTLIER_SHARE = 0.05
# Of Kinect v2: the mean of what is fitted to the joints of three of NTU's cameras, without their tilts of 0.1 to 0.5
# degrees, which differ. Source: github.com/shahroudy/NTURGB-D, issue 39 (S001, 10,000 joints each).
_KINECT_V2_DEPTH, _KINECT_V2_COLOR = (512, 424), (1920, 1080)
_KINECT_V2_SCALE, _KINECT_V2_SHIFT_PX = 2.898, (219.6, -51.8)
_SAME_SHAPE = 0.01  # by which shapes of frames that were made smaller may differ

_MIN_PAIRS = 50  # two bodies of 25 joints; fewer hardly spread over the frame


class Registration(BaseModel):
    """The map from depth to colour pixels of one camera.

    `matrix` is 2x3: colour_xy = matrix @ (depth_x, depth_y, 1). `residual_px` is the median distance, in colour pixels,
    between where it puts a joint and where the skeletons say it is; `inlier_share` is the share of joints that agree.
    Both are None where no skeleton tells the map: for `source` "calibration", by which depth lies over colour exactly,
    "nominal", that of other cameras of the kind, and "stretch", which lays one frame over the other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: RegistrationSource
    matrix: tuple[Row, Row]
    num_joints: int = 0
    residual_px: float | None = None
    inlier_share: float | None = None

    @staticmethod
    def is_guess(source: RegistrationSource | None) -> bool:
        """Return whether a map from there says nothing of the camera itself, so that another would be better."""
        return source in ("nominal", "stretch")

    def to_color(self, depth_xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the colour pixels, float64 [N, 2], of depth pixels [N, 2]."""
        matrix = np.array(self.matrix)
        return np.asarray(depth_xy @ matrix[:, :2].T + matrix[:, 2], np.float64)

    def to_depth(self, color_xy: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return the depth pixels, float64 [N, 2], of colour pixels [N, 2]."""
        matrix = np.array(self.matrix)
        return np.linalg.solve(matrix[:, :2], (color_xy - matrix[:, 2]).T).T


def fit_registration(pairs: NDArray[np.float32]) -> Registration | None:
    """Return the affine map that most `pairs` [N, 4] agree with, or None when they do not define one.

    pairs: depth x, y, colour x, y. Source: docs/preprocessing.md, "Registration"; OpenCV's RANSAC, inliers refined by
    least squares.
    """
    if len(pairs) < _MIN_PAIRS:
        return None
    depth_xy, color_xy = (pairs[:, part].astype(np.float64) for part in (slice(0, 2), slice(2, 4)))
    low, high = np.percentile(color_xy, (5, 95), axis=0)
    limit_px = float(_OUTLIER_SHARE * (high - low).max())
    matrix, inliers = cv2.estimateAffine2D(depth_xy, color_xy, method=cv2.RANSAC, ransacReprojThreshold=limit_px)
    # Joints on one line leave the map across that line undefined; then there is no matrix, or a nearly singular one.
    if matrix is None or np.linalg.cond(matrix[:, :2]) > 10:
        return None
    first, second = ((float(row[0]), float(row[1]), float(row[2])) for row in matrix)
    registration = Registration(source="joints", matrix=(first, second), num_joints=len(pairs))
    distances = np.linalg.norm(registration.to_color(depth_xy) - color_xy, axis=1)
    measured = {"residual_px": float(np.median(distances)), "inlier_share": float(np.mean(inliers))}
    return registration.model_copy(update=measured)


def stretch(depth_size: Size, color_size: Size) -> Registration:
    """Return the map that lays the whole depth frame over the whole colour frame; sizes are (width, height)."""
    x, y = color_size[0] / depth_size[0], color_size[1] / depth_size[1]
    # Pixel centres lie at halves: the middle of the first depth pixel is the middle of what it covers.
    return Registration(source="stretch", matrix=((x, 0.0, 0.5 * x - 0.5), (0.0, y, 0.5 * y - 0.5)))


def between_lenses(depth: Intrinsics, color: Intrinsics) -> Registration:
    """Return the map between frames of two sizes that were taken through one lens, or depth laid over colour before."""
    x, y = color.fx / depth.fx, color.fy / depth.fy
    rows = ((x, 0.0, color.cx - x * depth.cx), (0.0, y, color.cy - y * depth.cy))
    return Registration(source="calibration", matrix=rows)


def nominal_registration(depth_size: Size, color_size: Size) -> Registration | None:
    """Return the map of cameras of the kind whose frames have these shapes, (width, height); None where none is known.

    On NTU's cameras that are known it errs by 10 to 30 pixels of 1920, a stretch by up to 110.
    """
    depth, color = (
        (size[0] / full[0], size[1] / full[1])
        for size, full in ((depth_size, _KINECT_V2_DEPTH), (color_size, _KINECT_V2_COLOR))
    )
    if any(abs(x / y - 1) > _SAME_SHAPE for x, y in (depth, color)):
        return None
    rows = []
    for axis, shift_px in enumerate(_KINECT_V2_SHIFT_PX):
        scale = _KINECT_V2_SCALE * color[axis] / depth[axis]
        # A pixel of a smaller frame covers several: their middle lies at halves.
        shift = color[axis] * (shift_px + 0.5 + _KINECT_V2_SCALE * (0.5 / depth[axis] - 0.5)) - 0.5
        rows.append((scale, shift))
    (x, x0), (y, y0) = rows
    return Registration(source="nominal", matrix=((x, 0.0, x0), (0.0, y, y0)))


def write_registrations(path: Path, registrations: Mapping[str, Registration]) -> None:
    """Write {camera: registration} as JSON, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(TypeAdapter(dict[str, Registration]).dump_json(dict(registrations), indent=2))


def read_registrations(path: Path) -> dict[str, Registration]:
    """Return {camera: registration} as `write_registrations` wrote it; raises `DatasetError` for anything else."""
    try:
        return TypeAdapter(dict[str, Registration]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DatasetError(f"{path}: cannot be read as registrations; remove it to have them fitted again") from error
