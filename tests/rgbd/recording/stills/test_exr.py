"""Depth that OpenEXR writes is read exactly, in millimetres; what is cut, hostile or no depth is refused."""

import struct
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import frame_of

METRES = np.random.default_rng(0).uniform(0, 65.5, (48, 64)).astype(np.float32)


def exr(path: Path, channels: dict[str, NDArray[np.generic]], **header: Any) -> Path:
    settings = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage} | header
    OpenEXR.File(settings, channels).write(str(path))
    return path


def read(path: Path, limits: Limits | None = None) -> NDArray[np.generic]:
    (stream,) = open_streams(path, limits or Limits(any_container=False))
    (frame,) = map(frame_of, stream.read())
    assert (stream.size, stream.is_depth, stream.unit_mm) == ((64, 48), True, 1.0)
    return frame


def millimetres(metres: NDArray[np.generic]) -> NDArray[np.int64]:
    return np.array([round(float(value) * 1000) for value in metres.flat]).reshape(metres.shape)


@pytest.mark.parametrize("name", ["Y", "Z", "R", "depth", "V"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_the_one_channel_is_depth(tmp_path: Path, name: str, dtype: type) -> None:
    metres = METRES.astype(dtype)
    exr(tmp_path / "0.exr", {name: metres})
    np.testing.assert_array_equal(read(tmp_path), millimetres(metres))
    with zipfile.ZipFile(tmp_path / "frames.zip", "w") as archive:
        archive.write(tmp_path / "0.exr", "0.exr")
    np.testing.assert_array_equal(read(tmp_path / "frames.zip"), millimetres(metres))


@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ"])
@pytest.mark.parametrize("kind", ["scanlineimage", "tiledimage"])
def test_depth_is_exact_however_it_is_packed(tmp_path: Path, compression: str, kind: str) -> None:
    packing = getattr(OpenEXR, f"{compression}_COMPRESSION")
    tiles = {"tiles": OpenEXR.TileDescription()} if kind == "tiledimage" else {}
    exr(tmp_path / "0.exr", {"Z": METRES}, compression=packing, type=getattr(OpenEXR, kind), **tiles)
    np.testing.assert_array_equal(read(tmp_path), millimetres(METRES))


def test_of_several_channels_the_one_that_is_named_depth_is_read(tmp_path: Path) -> None:
    layers = {f"ViewLayer.Combined.{name}": METRES * 0 for name in "RGB"} | {"ViewLayer.Depth.Z": METRES}
    exr(tmp_path / "0.exr", layers)
    np.testing.assert_array_equal(read(tmp_path), millimetres(METRES))


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        (dict.fromkeys("RGB", METRES), r"holds the channels B \(float\), G \(float\), R \(float\); expected one"),
        ({"a.Z": METRES, "b.Z": METRES}, r"holds the channels a\.Z \(float\), b\.Z \(float\)"),
        ({"Z": METRES.astype(np.uint32)}, r"holds the channels Z \(uint32\); expected one"),
    ],
)
def test_what_is_no_depth_is_named(tmp_path: Path, channels: dict[str, Any], message: str) -> None:
    exr(tmp_path / "0.exr", channels)
    with pytest.raises(MediaError, match=message):
        open_streams(tmp_path)


def test_nothing_is_what_renderers_leave(tmp_path: Path) -> None:
    metres = METRES.copy()
    metres[0, :8] = [np.nan, np.inf, -np.inf, -1, 1e10, 65504, 65.536, 0]
    expected = millimetres(METRES)
    expected[0, :8] = 0
    exr(tmp_path / "0.exr", {"Z": metres})
    np.testing.assert_array_equal(read(tmp_path), expected)


def test_a_stream_has_images_of_one_kind(tmp_path: Path) -> None:
    exr(tmp_path / "0.exr", {"Z": METRES})
    (tmp_path / "1.pgm").write_bytes(b"P5\n64 48\n65535\n" + bytes(2 * 64 * 48))
    (stream,) = open_streams(tmp_path)
    with pytest.raises(MediaError, match=r"1\.pgm: mixes depth in metres with whole numbers"):
        list(stream.read())


def test_where_the_library_is_missing_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exr(tmp_path / "0.exr", {"Z": METRES})
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(MediaError, match=r"needs OpenEXR; pip install 'rgbd-motion\[exr\]'"):
        open_streams(tmp_path)


def claiming(path: Path, width: int, height: int) -> None:
    """Write an EXR whose data window says another size, by hand."""
    data = path.read_bytes()
    window = b"dataWindow\0box2i\0" + struct.pack("<i", 16)
    place = data.index(window) + len(window)
    path.write_bytes(data[:place] + struct.pack("<4i", 0, 0, width - 1, height - 1) + data[place + 16 :])


@pytest.mark.parametrize(
    ("size", "message"),
    [((60_000, 60_000), "unpacks to 13732 MiB"), ((0, 48), "0x48"), ((64, 1000), "cannot be read|is not what it says")],
)
def test_claims_are_checked_before_memory_is_taken(tmp_path: Path, size: tuple[int, int], message: str) -> None:
    claiming(exr(tmp_path / "0.exr", {"Z": METRES}), *size)
    tracemalloc.start()
    with pytest.raises(MediaError, match=message):
        list(open_streams(tmp_path)[0].read())
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_claims_are_held_to_the_limits(tmp_path: Path) -> None:
    exr(tmp_path / "0.exr", {"Z": METRES})
    with pytest.raises(TooLargeError, match="64x48"):
        read(tmp_path, Limits(max_pixels=64 * 47))


@given(place=st.integers(0, 20_000), value=st.integers(0, 255), cut=st.booleans())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_refused_or_leaves_a_frame(tmp_path: Path, place: int, value: int, cut: bool) -> None:
    path = exr(tmp_path / "0.exr", {"Z": METRES})
    data = bytearray(path.read_bytes())
    data[place % len(data)] = value
    path.write_bytes(data[: place % len(data)] if cut else data)
    try:
        frames = list(open_streams(tmp_path, Limits(max_pixels=1 << 20))[0].read())
    except MediaError as error:
        assert str(path) in str(error) or isinstance(error, TooLargeError)
    else:
        assert len(frames) == 1 and not cut
