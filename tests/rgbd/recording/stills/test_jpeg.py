"""JPEG: the pixels are OpenCV's, and what is missing or made up is an error instead of a warning that nobody reads."""

import cv2
import numpy as np
import pytest

from rgbd.errors import MediaError
from rgbd.recording.stills.images import decode_image

SCENE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8), (7, 7), 2)


def encoded(*options: int, image: np.ndarray = SCENE) -> bytes:
    return cv2.imencode(".jpg", image, options)[1].tobytes()


CONTENT = encoded()


@pytest.mark.parametrize(
    "content",
    [
        *(CONTENT, encoded(cv2.IMWRITE_JPEG_PROGRESSIVE, 1), encoded(image=SCENE[:, :, 0])),
        *(encoded(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor) for factor in (0x111111, 0x211111, 0x121111, 0x411111)),
        CONTENT + bytes(200),  # some writers pad
    ],
)
def test_the_pixels_are_those_of_opencv(content: bytes) -> None:
    theirs = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(decode_image(content, "a.jpg"), theirs)


def test_what_libjpeg_warns_of_is_an_error_that_names_the_image() -> None:
    """OpenCV takes every one of these: of 200, some are damage of a picture's own values, of which nobody can know."""
    rng, num_refused = np.random.default_rng(0), 0
    for _ in range(200):
        damaged = bytearray(CONTENT)
        for place in rng.integers(700, len(damaged) - 4, 3):
            damaged[place] = rng.integers(256)
        try:
            decode_image(bytes(damaged), "a.jpg")
        except MediaError as error:
            num_refused += 1
            assert str(error).startswith("a.jpg: the JPEG image is damaged (")
    assert num_refused > 80


@pytest.mark.parametrize("length", [0, 2, 200, len(CONTENT) // 2, len(CONTENT) - 2])
def test_a_cut_image_is_refused(length: int) -> None:
    with pytest.raises(MediaError, match=r"^a\.jpg: (the JPEG image is damaged|not a readable JPEG or PNG)"):
        decode_image(CONTENT[:length], "a.jpg")
