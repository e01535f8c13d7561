"""Depth videos of LeRobot come back in millimetres by what their data set says, and never without it."""

import json
import math
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import frame_of

NUM_FRAMES = 6
KEY = "observation.images.front_depth"
LOG = {"video.depth_min": 0.01, "video.depth_max": 10.0, "video.shift": 3.5, "video.use_log": True}
LINEAR = {"video.depth_min": 0.0, "video.depth_max": 10.0, "video.shift": 0.0, "video.use_log": False}
PLACES = {"v3": f"videos/{KEY}/chunk-000/file-000.mp4", "v2": f"videos/chunk-000/{KEY}/episode_000000.mp4"}


def metres(index: int) -> NDArray[np.float64]:
    slope = np.linspace(0.4, 6, 64)[None].repeat(48, axis=0) + 0.05 * index
    slope[:8, :8] = 0  # not measured
    return slope


def codes(depth_m: NDArray[np.float64], said: dict[str, Any]) -> NDArray[np.uint16]:
    """Quantise as LeRobot's `quantize_depth` is described to do."""
    near, far, shift = said["video.depth_min"], said["video.depth_max"], said["video.shift"]
    if said["video.use_log"]:
        share = (np.log(depth_m + shift) - math.log(near + shift)) / (math.log(far + shift) - math.log(near + shift))
    else:
        share = (depth_m - near) / (far - near)
    return np.rint(share * 4095).clip(0, 4095).astype(np.uint16)


def video(path: Path, said: dict[str, Any], codec: str = "libx265", pixels: str = "gray12le") -> Path:
    path.parent.mkdir(parents=True)
    options = {"x265-params": "log-level=none", "crf": "4"} if codec == "libx265" else {}
    with av.open(str(path), "w", format="matroska" if codec == "ffv1" else "mp4") as container:
        track = container.add_stream(codec, rate=30, options=options)
        track.width, track.height, track.pix_fmt = 64, 48, pixels
        for index in range(NUM_FRAMES):
            frame = av.VideoFrame.from_ndarray(codes(metres(index), said), format="gray12le")
            container.mux(track.encode(frame.reformat(format=pixels)))
        container.mux(track.encode())
    return path


def data_set(root: Path, said: dict[str, Any], place: str = PLACES["v3"], **options: str) -> Path:
    """Write a data set with a depth video, as LeRobot lays it out; return the video."""
    path = video(root / place, LOG | said, **options)
    info = {"is_depth_map": True, "depth_unit": "mm", "video.pix_fmt": "gray12le", **said}
    features = {KEY: {"dtype": "video", "shape": [48, 64, 1], "info": info}, "action": {"dtype": "float32"}}
    (root / "meta").mkdir()
    (root / "meta" / "info.json").write_text(json.dumps({"codebase_version": "v3.0", "fps": 30, "features": features}))
    return path


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("said", "step_mm"), [(LOG, 3.2), (LINEAR, 2.5)])
def test_depth_is_what_it_was_but_for_a_step(tmp_path: Path, place: str, said: dict[str, Any], step_mm: float) -> None:
    (depth,) = open_streams(data_set(tmp_path, said, PLACES[place], codec="ffv1"))
    assert (depth.is_depth, depth.size, depth.unit_mm, depth.num_frames) == (True, (64, 48), 1.0, NUM_FRAMES)
    assert depth.times_s == pytest.approx([index / 30 for index in range(NUM_FRAMES)], abs=0.001)
    for index, picture in enumerate(depth.read()):
        frame = frame_of(picture)
        assert frame.dtype == np.uint16 and (frame[:8, :8] == 0).all()
        np.testing.assert_allclose(frame, 1000 * metres(index), atol=step_mm / 2 + 0.5)
    assert "quantised to 12 bits" in depth.notes[0] and "lossy" not in depth.notes[0]


def test_steps_are_told(tmp_path: Path) -> None:
    (depth,) = open_streams(data_set(tmp_path, LOG, codec="ffv1"))
    assert "from 0.01 to 10 m, in steps of 1.2 to 4.4 mm" in depth.notes[0]


def test_a_lossy_codec_is_told(tmp_path: Path) -> None:
    (depth,) = open_streams(data_set(tmp_path, LOG))
    (frame,) = map(frame_of, depth.read([4]))
    assert np.median(np.abs(frame - 1000 * metres(4))) < 20
    assert "a lossy codec has blurred it" in depth.notes[0]


def test_without_its_data_set_such_a_video_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (stream,) = open_streams(video(tmp_path / "alone" / "depth.mp4", LOG))
    with pytest.raises(MediaError, match=r"is 12-bit grey in a lossy codec.*meta/info\.json"):
        list(stream.read())


def test_lossless_grey_of_12_bits_is_read_as_distances_and_told(tmp_path: Path) -> None:
    (stream,) = open_streams(video(tmp_path / "alone" / "depth.mkv", LOG, "ffv1"))
    np.testing.assert_array_equal(frame_of(next(iter(stream.read()))), codes(metres(0), LOG))
    assert "was read as whole units of depth" in stream.notes[0] and "meta/info.json" in stream.notes[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video.depth_max": 1e9}, r"video\.depth_max: Input should be less than"),
        ({"video.depth_max": 0.005}, "from 0.01 to 0.005 m .* which cannot be"),
        ({"video.shift": -1.0}, "with a shift of -1 m, which cannot be"),
        ({"video.use_log": None}, r"video\.use_log: Input should be a valid boolean"),
    ],
)
def test_what_a_data_set_says_is_checked(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = data_set(tmp_path, LOG, codec="ffv1")
    info = json.loads((tmp_path / "meta" / "info.json").read_text())
    info["features"][KEY]["info"] |= change
    (tmp_path / "meta" / "info.json").write_text(json.dumps(info))
    with pytest.raises(MediaError, match=message):
        open_streams(path)


@pytest.mark.parametrize("info", ["{", "[]", '{"features": []}', '{"features": {"other": {}}}', "[" * 100_000])
def test_a_data_set_that_says_nothing_of_a_video_leaves_it_refused(tmp_path: Path, info: str) -> None:
    path = data_set(tmp_path, LOG)
    (tmp_path / "meta" / "info.json").write_text(info)
    with pytest.raises(MediaError, match="LeRobot stores depth so"):
        list(open_streams(path)[0].read())


def test_pixels_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"no video of 12-bit grey \(gray12le\)"):
        open_streams(data_set(tmp_path, LOG, pixels="yuv420p12le"))


def test_limits_hold(tmp_path: Path) -> None:
    path = data_set(tmp_path, LOG)
    with pytest.raises(TooLargeError, match="more than 5 frames"):
        list(open_streams(path, Limits(max_frames=5))[0].read())
    with pytest.raises(TooLargeError, match="64x48"):
        list(open_streams(path, Limits(max_pixels=64 * 47))[0].read())
