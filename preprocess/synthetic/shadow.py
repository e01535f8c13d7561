"""The soft shadow of people on the floor."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.body import LEGS
from preprocess.synthetic.cameras import Camera, Floats, Mount

_DARKEST, _RADIUS_M = 0.25, 0.2  # under one joint of a foot
_COARSE = 4  # a shadow's edge is soft: a quarter of the resolution will do
_FEET = [joint for leg in LEGS for joint in leg[2:]]


def cast_shadows(
    image: NDArray[np.uint8], is_floor: NDArray[np.bool_], people: Iterable[Floats], camera: Camera, mount: Mount
) -> None:
    """Darken, in place, the floor of the colour image around the feet of people: camera-frame joints [25, 3] each."""
    for joints in people:
        _cast_shadow(image, is_floor, joints[_FEET], camera, mount)


def _cast_shadow(
    image: NDArray[np.uint8], is_floor: NDArray[np.bool_], feet: Floats, camera: Camera, mount: Mount
) -> None:
    x, y = camera.project(feet).T
    reach = 3 * _RADIUS_M * camera.focal_px[0] / float(feet[:, 2].min())
    x0, x1 = (int(np.clip(edge, 0, camera.width)) for edge in (x.min() - reach, x.max() + reach))
    # Seen from the side, the floor is foreshortened.
    y0, y1 = (int(np.clip(edge, 0, camera.height)) for edge in (y.min() - reach / 2, y.max() + reach / 2))
    if x0 >= x1 or y0 >= y1:
        return
    columns, rows = camera.tangents
    across, upright = np.meshgrid(columns[x0:x1:_COARSE], rows[y0:y1:_COARSE])
    rays = np.stack([across, upright, np.ones_like(across)], axis=-1) @ mount.rotation
    floor = rays * (-mount.height_m / np.minimum(rays[..., 1:2], -1e-3))  # rays that rise never meet it: far away
    light = np.ones(across.shape, np.float32)
    for foot in mount.to_room(camera.seen_from(feet)):
        distance2 = (floor[..., 0] - foot[0]) ** 2 + (floor[..., 2] - foot[2]) ** 2
        light *= 1 - _DARKEST * np.exp(-distance2 / (2 * _RADIUS_M**2))
    fine = cv2.resize(light, (x1 - x0, y1 - y0)).astype(np.float32, copy=False)
    fine[~is_floor[y0:y1, x0:x1]] = 1
    image[y0:y1, x0:x1] = (image[y0:y1, x0:x1] * fine[..., None]).astype(np.uint8)
