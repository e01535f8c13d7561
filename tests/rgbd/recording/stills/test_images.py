"""16-bit PNG, with the library that reads them fast and without it."""

import struct
import zlib

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


@pytest.mark.parametrize("content", [CONTENT, encode_image(".png", np.zeros((24, 32, 3), np.uint8))])
@pytest.mark.parametrize("claimed", [(2**31 - 1, 48), (60_000, 60_000)])
def test_an_image_that_claims_far_more_than_it_holds_is_refused(content: bytes, claimed: tuple[int, int]) -> None:
    header = b"IHDR" + struct.pack(">II", *claimed) + content[24:29]
    content = content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    with pytest.raises(MediaError, match=rf"depth\.png: claims to have {claimed[0]}x{claimed[1]} pixels in \d+ bytes"):
        decode_image(content, "depth.png")
