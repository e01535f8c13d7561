"""TIFF that tifffile and Pillow write is read exactly, as images and as pages; what is cut or hostile is refused."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from rgbd.errors import DamagedError, MediaError, TooLargeError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import StreamReader, frame_of

chance = np.random.default_rng(0)
DEPTH = chance.integers(0, 1 << 16, (5, 48, 64), np.uint16)
COLOR = chance.integers(0, 1 << 8, (5, 48, 64, 3), np.uint8)
METRES = chance.uniform(0, 65.5, (5, 48, 64)).astype(np.float32)
LAYOUTS: list[dict[str, Any]] = [
    {},
    {"byteorder": ">"},
    {"bigtiff": True},
    {"bigtiff": True, "byteorder": ">", "compression": "zlib"},
    {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
    {"tile": (16, 32), "compression": "zlib"},
]


def tiff(array: NDArray[np.generic], **layout: Any) -> bytes:
    file = io.BytesIO()
    is_color = array.dtype == np.uint8 and array.shape[-1] == 3
    tifffile.imwrite(file, array, photometric="rgb" if is_color else "minisblack", **layout)
    return file.getvalue()


def frames_of(stream: StreamReader, indices: Sequence[int] | None = None) -> NDArray[np.generic]:
    return np.stack([frame_of(picture) for picture in stream.read(indices)])


def millimetres(metres: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.array([round(float(value) * 1000) for value in metres.flat]).reshape(metres.shape)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("array", [DEPTH, METRES, COLOR], ids=["depth", "metres", "color"])
def test_pages_and_images_are_read_exactly(tmp_path: Path, array: NDArray[np.generic], layout: dict[str, Any]) -> None:
    if layout.get("predictor") and array is METRES:
        layout = layout | {"predictor": False}  # tifffile would need imagecodecs to write it
    expected = millimetres(array) if array is METRES else array
    (tmp_path / "pages.tif").write_bytes(tiff(array, **layout))
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "frames.zip", "w") as archive:
        for index, frame in enumerate(array):
            (tmp_path / "folder" / f"{index}.tiff").write_bytes(tiff(frame, **layout))
            archive.write(tmp_path / "folder" / f"{index}.tiff", f"{index}.tiff")
    for name in ("pages.tif", "folder", "frames.zip"):
        (stream,) = open_streams(tmp_path / name, Limits(any_container=False))
        assert (stream.num_frames, stream.size, stream.is_depth) == (5, (64, 48), array is not COLOR)
        assert stream.unit_mm == (1.0 if array is METRES else None)
        frames = frames_of(stream)
        assert frames.dtype == (np.uint8 if array is COLOR else np.uint16)
        np.testing.assert_array_equal(frames, expected)
        np.testing.assert_array_equal(frames_of(stream, [1, 2, 4]), expected[[1, 2, 4]])
        assert stream.damage == ()


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_pages_of_another_writer_are_read_exactly(tmp_path: Path, compression: str | None) -> None:
    for array, mode in ((DEPTH, "I;16"), (METRES, "F"), (COLOR, "RGB")):
        first, *others = (Image.frombytes(mode, (64, 48), frame.tobytes()) for frame in array)
        first.save(tmp_path / "pages.tif", save_all=True, append_images=others, compression=compression)
        (stream,) = open_streams(tmp_path / "pages.tif")
        np.testing.assert_array_equal(frames_of(stream), millimetres(array) if array is METRES else array)


def test_planes_of_colour_are_put_together(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "planes.tif") as writer:
        for frame in COLOR:
            writer.write(np.moveaxis(frame, -1, 0), photometric="rgb", planarconfig="separate", compression="zlib")
    (stream,) = open_streams(tmp_path / "planes.tif")
    np.testing.assert_array_equal(frames_of(stream), COLOR)


def test_eight_bits_of_grey_are_an_image(tmp_path: Path) -> None:
    (tmp_path / "grey.tif").write_bytes(tiff(COLOR[..., 0]))
    (stream,) = open_streams(tmp_path / "grey.tif")
    np.testing.assert_array_equal(frames_of(stream), COLOR[..., :1].repeat(3, axis=3))


def test_a_few_pages_are_in_memory(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "long.tif", (DEPTH[:1] for _ in range(300)), shape=(300, 48, 64), dtype=np.uint16)
    (stream,) = open_streams(tmp_path / "long.tif")
    tracemalloc.start()
    assert stream.num_frames == sum(1 for _ in stream.read()) == 300
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (DEPTH.astype(np.int16), "1 signed numbers of 16 bits"),
        (DEPTH.astype(np.uint32), "1 unsigned numbers of 32 bits"),
        (METRES.astype(np.float16), "1 floating-point numbers of 16 bits"),
        (np.stack([DEPTH] * 3, axis=-1), "3 unsigned numbers of 16 bits"),
    ],
)
def test_what_is_no_stream_is_named(tmp_path: Path, array: NDArray[np.generic], message: str) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric="rgb" if array.ndim == 4 else "minisblack")
    (tmp_path / "x.tif").write_bytes(file.getvalue())
    with pytest.raises(MediaError, match=f"page 1: holds {message} a pixel, 64x48; expected one of 16 bits"):
        open_streams(tmp_path / "x.tif")


def test_pages_that_are_not_alike_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(DEPTH[0])
        writer.write(DEPTH[0, :20, :20])
    with pytest.raises(MediaError, match="holds pages of 2 kinds; write a page of one size and kind for each frame"):
        open_streams(path)
    path.write_bytes(tiff(DEPTH[0], description="ImageJ=1.53\nimages=5\nslices=5\n", metadata=None))
    with pytest.raises(MediaError, match="holds 5 images in one page"):
        open_streams(path)


def test_a_file_of_pages_is_no_frame_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "0.tif").write_bytes(tiff(DEPTH))
    with pytest.raises(MediaError, match=r"0\.tif: has several pages; give the file itself as the stream"):
        open_streams(tmp_path)


@pytest.mark.parametrize("layout", [{}, {"compression": "zlib"}])
def test_a_file_that_was_cut_gives_the_pages_before(tmp_path: Path, layout: dict[str, Any]) -> None:
    path = tmp_path / "cut.tif"
    with tifffile.TiffWriter(path) as writer:
        for frame in DEPTH:
            writer.write(frame, contiguous=False, **layout)
    whole = path.read_bytes()
    seen = set()
    for size in range(len(whole) - 1, 0, -1009):
        path.write_bytes(whole[:size])
        try:
            (stream,) = open_streams(path, Limits(any_container=False, on_damage="report"))
        except MediaError as error:
            assert "breaks off within its first page" in str(error) or "is no mp4" in str(error)
            continue
        np.testing.assert_array_equal(frames_of(stream), DEPTH[: stream.num_frames])
        assert stream.damage == (f"breaks off behind page {stream.num_frames}",)
        with pytest.raises(DamagedError, match="breaks off behind page"):
            list(open_streams(path)[0].read())
        seen.add(stream.num_frames)
    assert seen == {1, 2, 3, 4}


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def directory(*entries: bytes, following: int = 0) -> bytes:
    return struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)


def claiming(width: int = 8, height: int = 6, start: int = 200, length: int = 96, following: int = 0) -> bytes:
    """Return a TIFF of one page of 16 bits that says these things, by hand."""
    values = {256: width, 257: height, 258: 16, 259: 1, 262: 1, 273: start, 277: 1, 278: height, 279: length}
    tags = directory(*(entry(tag, 4, 1, value) for tag, value in values.items()), following=following)
    return (b"II*\0" + struct.pack("<I", 8) + tags).ljust(200, b"\0") + DEPTH.tobytes()[:96]


def test_a_page_by_hand_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(claiming())
    np.testing.assert_array_equal(frames_of(open_streams(tmp_path / "x.tif")[0])[0].ravel(), DEPTH.ravel()[:48])


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"width": 0}, "0x6"),
        ({"width": 2**32 - 1, "height": 2**32 - 1}, "unpacks to .* MiB, far more than a frame"),
        ({"width": 30_000, "height": 30_000}, "unpacks to 1716 MiB, far more than a frame"),
        ({"length": 2**32 - 1}, "breaks off within its first page"),
        ({"start": 2**32 - 1}, "breaks off within its first page"),
        ({"following": 8}, "go round in a circle"),
        ({"following": 200}, "not a readable TIFF|breaks off|holds"),
    ],
)
def test_claims_are_checked_before_memory_is_taken(tmp_path: Path, claims: dict[str, int], message: str) -> None:
    (tmp_path / "x.tif").write_bytes(claiming(**claims))
    tracemalloc.start()
    with pytest.raises(MediaError, match=message):
        list(open_streams(tmp_path / "x.tif")[0].read())
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_claims_are_held_to_the_limits(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(tiff(DEPTH))
    with pytest.raises(TooLargeError, match="more than 4 frames"):
        open_streams(tmp_path / "x.tif", Limits(max_frames=4))
    with pytest.raises(TooLargeError, match="64x48"):
        open_streams(tmp_path / "x.tif", Limits(max_pixels=64 * 47))


@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.booleans(), layout=st.sampled_from(LAYOUTS))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_refused_or_leaves_frames(
    tmp_path: Path, place: int, value: int, cut: bool, layout: dict[str, Any]
) -> None:
    path = tmp_path / "d.tif"
    data = bytearray(tiff(DEPTH[:2, :16, :32], **layout))
    data[place % len(data)] = value
    path.write_bytes(data[: place % len(data)] if cut else data)
    try:
        frames = list(open_streams(path, Limits(any_container=False, max_pixels=1 << 20))[0].read())
    except MediaError as error:
        assert str(path) in str(error) or isinstance(error, TooLargeError)
    else:
        assert len(frames) > 0
