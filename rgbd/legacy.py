"""Where the reference sees people in a depth image, defects included.

Its boxes follow that, and so does its encoding of depth. Source: docs/method.md, "Published boxes".
"""

import cv2
import numpy as np
from numpy.typing import NDArray

LEGACY_MIN_AREA_PX = 500  # docs/method.md, "Published boxes"


def legacy_centre(mask: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Return the reference's (x, y) centre of the bodies in an 8-bit mask [H, W], or None where it would crash.

    The mask is eroded 3x3 and dilated 10x10; of each outer contour above 500 px the centre of its smallest rectangle
    is taken; then the smallest x and the smallest y of all of them, which with two people may lie on neither.
    Source: docs/method.md, "Published boxes".
    """
    binary = (mask > 0).astype(np.uint8) * 255
    cleaned = cv2.dilate(cv2.erode(binary, np.ones((3, 3), np.uint8)), np.ones((10, 10), np.uint8))
    contours, _ = cv2.findContours(cleaned, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    centres = [cv2.minAreaRect(contour)[0] for contour in contours if cv2.contourArea(contour) > LEGACY_MIN_AREA_PX]
    if not centres:
        return None
    return int(min(x for x, _ in centres)), int(min(y for _, y in centres))
