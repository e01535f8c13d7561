"""A clip that looks unlike what the model was trained on is answered with a warning, and others without."""

from collections.abc import Iterator

import httpx
import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from rgbd.clip.appearance import Appearance
from rgbd.types import Frame
from tests.support.server import RunningServer, running_server
from tests.support.uploads import depth_frames, npz, rgb_frames

SIZE = {"aspect_ratio": (4 / 3, 4 / 3), "height_px": (48, 48)}


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Serve a model that was trained on small frames whose background was masked."""
    looks = {"rgb": Appearance(**SIZE), "depth": Appearance(**SIZE, empty_share=(0.6, 0.9))}  # type: ignore[arg-type]
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle"), trained_on=looks)) as server:  # type: ignore[arg-type]
        yield server


def cut_out(frames: list[Frame]) -> list[Frame]:
    """Return the frames with a quarter of their pixels only."""
    cut = [np.zeros_like(frame) for frame in frames]
    for whole, masked in zip(frames, cut, strict=True):
        masked[:, :16] = whole[:, :16]
    return cut


def enlarged(frames: list[Frame], rows: int, columns: int) -> list[Frame]:
    return [frame.repeat(rows, axis=0).repeat(columns, axis=1) for frame in frames]


def warnings_of(server: RunningServer, rgb: list[Frame], depth: list[Frame], path: str = "/predict") -> list[str]:
    response = httpx.post(server.url + path, files={"rgb": npz(rgb), "depth": npz(depth)}, timeout=30)
    assert response.status_code == 200
    warnings: list[str] = response.json()["warnings"]
    return warnings


def test_a_prepared_clip_is_answered_without(masked: RunningServer) -> None:
    assert warnings_of(masked, rgb_frames(), cut_out(depth_frames())) == []


@pytest.mark.parametrize("is_raw", [(False, True), (True, False)], ids=["then raw", "then masked"])
def test_no_part_of_a_clip_passes_in_silence(masked: RunningServer, is_raw: tuple[bool, bool]) -> None:
    depth = depth_frames()
    halves = [half if raw else cut_out(half) for half, raw in zip((depth[:6], depth[6:]), is_raw, strict=True)]
    (warning,) = warnings_of(masked, rgb_frames(), [*halves[0], *halves[1]], "/predict?windows=2")
    assert warning.startswith("depth ") and "background is not masked" in warning


def test_a_clip_of_which_nothing_was_measured_is_not_answered_in_silence(masked: RunningServer) -> None:
    (warning,) = warnings_of(masked, rgb_frames(), [np.zeros_like(frame) for frame in depth_frames()])
    assert "nothing of it was measured" in warning and "depth_scale_mm" in warning


@pytest.mark.parametrize("path", ["/predict", "/predict?windows=2", "/explain"])
def test_a_raw_clip_is_not_answered_in_silence(masked: RunningServer, path: str) -> None:
    rgb, depth = warnings_of(masked, enlarged(rgb_frames(), 9, 12), enlarged(depth_frames(), 2, 2), path)
    assert rgb.startswith("rgb does not look like the clips that this model was trained on")
    assert "768x432, have another shape (1.78:1 instead of 1.33:1)" in rgb and "432 pixels high instead of 48" in rgb
    assert "background is not masked (0 % of it is empty, instead of 60 to 90 %)" in depth and "96 pixels" in depth
    assert "python -m preprocess" in rgb and "python -m preprocess" in depth


def test_one_raw_stream_is_named_alone(masked: RunningServer) -> None:
    (depth,) = warnings_of(masked, rgb_frames(), depth_frames())
    assert depth.startswith("depth ") and "shape" not in depth
    (rgb,) = warnings_of(masked, enlarged(rgb_frames(), 2, 2), cut_out(depth_frames()))
    assert rgb.startswith("rgb ")


def test_a_bundle_that_does_not_say_still_warns_of_a_camera_s_own_frames(server: RunningServer) -> None:
    assert warnings_of(server, rgb_frames(4), depth_frames(4)) == []
    rgb, depth = warnings_of(server, enlarged(rgb_frames(4), 15, 20), enlarged(depth_frames(4), 10, 10))
    assert "another shape" in rgb and "480 pixels high" in depth
