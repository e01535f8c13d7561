"""16-bit PNG, with the library that reads them fast and without it."""

import numpy as np
import pytest

from rgbd.errors import MediaError
from rgbd.recording.stills import images
from rgbd.recording.stills.images import decode_image, encode_image

DEPTH = np.random.default_rng(0).integers(0, 4500, (24, 32)).astype(np.uint16)
CONTENT = encode_image(".png", DEPTH)


@pytest.fixture(params=["kornia-rs", "OpenCV"], autouse=True)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "OpenCV":
        monkeypatch.setattr(images, "fast_png", None)
    else:
        assert images.fast_png is not None


def test_every_millimetre_is_read() -> None:
    np.testing.assert_array_equal(decode_image(CONTENT, "depth.png"), DEPTH)


@pytest.mark.parametrize("position", range(48, len(CONTENT) - 20, len(CONTENT) // 7))
def test_a_damaged_image_is_refused(position: int) -> None:
    damaged = bytearray(CONTENT)
    damaged[position] ^= 0x10
    with pytest.raises(MediaError, match=r"depth\.png: not a readable 16-bit PNG.*; copy or write it again"):
        decode_image(bytes(damaged), "depth.png")
