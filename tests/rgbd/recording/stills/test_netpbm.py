"""PGM and PPM by their specification, and as Pillow writes them, are read exactly; what is cut is refused."""

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import frame_of

DEPTH = np.random.default_rng(0).integers(0, 1 << 16, (6, 8), np.uint16)
COLOR = np.random.default_rng(1).integers(0, 1 << 8, (6, 8, 3), np.uint8)
GREY = COLOR[:, :, 0]
BINARY = struct.pack(">48H", *DEPTH.ravel().tolist())


def text(array: NDArray[np.generic]) -> bytes:
    return "\n".join(" ".join(map(str, row)) for row in array.reshape(6, -1).tolist()).encode()


def read(folder: Path, data: bytes, name: str = "0.pgm", limits: Limits | None = None) -> NDArray[np.generic]:
    (folder / name).write_bytes(data)
    (stream,) = open_streams(folder, limits or Limits())
    (frame,) = map(frame_of, stream.read())
    assert stream.size == (8, 6) and stream.is_depth == (frame.ndim == 2) and stream.unit_mm is None
    return frame


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P5\n8 6\n65535\n" + BINARY, DEPTH),
        (b"P5 8 6 65535 " + BINARY, DEPTH),
        (b"P5 # a depth\n# of a Kinect\n8\t6 # more\n65535\n" + BINARY, DEPTH),
        (b"P5\r\n8 6\r\n65535\n" + BINARY, DEPTH),
        (b"P5\n8 6\n65535\n" + BINARY + b"P5\n8 6\n65535\n" + BINARY, DEPTH),
        (b"P5\n8 6\n65535\n" + b"\n#" * 48, np.full((6, 8), 0x0A23)),  # numbers that look like white space and comments
        (b"P5\n8 6\n4095\n" + (DEPTH & 4095).astype(">u2").tobytes(), DEPTH & 4095),
        (b"P2\n8 6\n65535\n" + text(DEPTH), DEPTH),
        (b"P5\n8 6\n255\n" + GREY.tobytes(), GREY[:, :, None].repeat(3, axis=2)),
        (b"P2\n8 6\n255\n" + text(GREY) + b"\n", GREY[:, :, None].repeat(3, axis=2)),
        (b"P6\n8 6\n255\n" + COLOR.tobytes(), COLOR),
        (b"P3\n8 6\n255\n" + text(COLOR), COLOR),
    ],
)
def test_numbers_are_those_that_the_specification_says(
    tmp_path: Path, data: bytes, expected: NDArray[np.generic]
) -> None:
    frame = read(tmp_path, data)
    assert frame.dtype == (np.uint16 if frame.ndim == 2 else np.uint8) and frame.dtype.isnative
    np.testing.assert_array_equal(frame, expected)


def test_what_another_writer_writes_is_read_exactly(tmp_path: Path) -> None:
    Image.frombytes("I;16", (8, 6), DEPTH.tobytes()).save(tmp_path / "0.pgm")
    np.testing.assert_array_equal(read(tmp_path, (tmp_path / "0.pgm").read_bytes()), DEPTH)
    Image.fromarray(COLOR).save(tmp_path / "0.ppm")
    (tmp_path / "0.pgm").unlink()
    np.testing.assert_array_equal(read(tmp_path, (tmp_path / "0.ppm").read_bytes(), "0.ppm"), COLOR)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"P5\n8 6\n65535\n" + BINARY[:-1], "truncated or damaged"),
        (b"P2\n8 6\n65535\n" + b"1 2 3", "truncated or damaged"),
        (b"P2\n8 6\n65535\n" + b"70000 " * 48, "truncated or damaged"),
        (b"P2\n8 6\n65535\n" + b"-5 " * 48, "truncated or damaged"),
        (b"P2\n8 6\n65535\n" + b"ab " * 48, "truncated or damaged"),
        (b"P5\n100000 100000\n65535\n", "truncated or damaged"),
        (b"P2\n100000 100000\n65535\n", "truncated or damaged"),
        (b"P5\n0 6\n65535\n", "is a P5 of 0x6 and values up to 65535; expected grey up to 65535"),
        (b"P5\n8 6\n65536\n" + BINARY, "values up to 65536; expected grey"),
        (b"P5\n8 6\n100\n" + GREY.tobytes(), "values up to 100; expected grey"),
        (b"P6\n8 6\n65535\n" + BINARY * 3, "P6 of 8x6 and values up to 65535; expected grey"),
        (b"P5\n8", "not a readable PGM or PPM image"),
        (b"P5\n" + b"#" * 5000, "not a readable PGM or PPM image"),
        (b"P7\nWIDTH 8\n", "not a readable PGM or PPM image"),
        (b"", "not a readable PGM or PPM image"),
    ],
)
def test_what_is_cut_or_no_depth_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(MediaError, match=rf"0\.pgm: .*{message}"):
        read(tmp_path, data)


def test_claims_are_held_to_the_limits(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError, match="8x6"):
        read(tmp_path, b"P5\n8 6\n65535\n" + BINARY, limits=Limits(max_pixels=47))
