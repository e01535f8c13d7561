"""Depth that no sensor measures is refused, and what is odd is said, with the scale that would fit."""

from pathlib import Path

import httpx
import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from rgbd.types import Frame
from tests.support.requests import post, refused
from tests.support.server import RunningServer, running_server
from tests.support.uploads import depth_frames, npz, rgb_frames


def ask(server: RunningServer, depth: list[Frame], path: str = "/predict", **meta: object) -> httpx.Response:
    return post(server, path, meta=meta or None, rgb=npz(rgb_frames()), depth=npz(depth))


def in_tenths(frames: list[Frame]) -> list[Frame]:
    """Return depth as a camera writes it whose unit is a tenth of a millimetre: taken for whole ones, 10 to 39 m."""
    return [(frame * 10).astype(np.uint16) for frame in frames]


@pytest.mark.parametrize("path", ["/predict", "/predict?windows=3", "/explain"])
def test_what_no_sensor_measures_is_refused(server: RunningServer, path: str) -> None:
    depth = in_tenths(depth_frames())
    reason = refused(ask(server, depth, path), 422, "unusable_clip")
    assert reason.startswith("depth (upload): half of its depth is farther than 2")
    assert "at 0.1 mm it would be 2." in reason and "(depth_scale_mm 0.1); sensors measure 0.1 to 20 m" in reason
    assert ask(server, depth, path, depth_scale_mm=0.1).json()["warnings"] == []
    near = [np.full_like(frame, 3) for frame in depth]  # whole metres
    assert "(depth_scale_mm 1000)" in refused(ask(server, near, path), 422, "unusable_clip")


@pytest.mark.parametrize("path", ["/predict", "/predict?windows=3", "/explain"])
def test_what_is_odd_is_answered_with_one_warning(server: RunningServer, path: str) -> None:
    hall = [(frame * 4).astype(np.uint16) for frame in depth_frames()]
    answer = ask(server, hall, path)
    assert answer.status_code == 200
    (warning,) = answer.json()["warnings"]
    assert warning.startswith("depth (upload): half of its depth is farther than ")
    assert " m (depth_scale_mm 0.1" in warning and warning.endswith("); that is odd for people in a room")


def test_a_part_that_is_too_far_does_not_pass(server: RunningServer) -> None:
    depth = depth_frames()
    refused(ask(server, [*depth[:6], *in_tenths(depth[6:])], "/predict?windows=2"), 422, "unusable_clip")


def test_nothing_measured_and_images_say_nothing_of_distance(server: RunningServer, tmp_path: Path) -> None:
    empty = ask(server, [np.zeros_like(frame) for frame in depth_frames()])
    assert empty.status_code == 200 and not any("farther" in text for text in empty.json()["warnings"])
    with running_server(make_bundle(tmp_path, "depth")) as alone:
        far = post(alone, depth=npz(in_tenths(depth_frames())))
        assert "farther than" in refused(far, 422, "unusable_clip")


def test_the_page_is_shown_what_is_wrong(server: RunningServer) -> None:
    preview = ask(server, in_tenths(depth_frames()), "/preview")
    assert preview.status_code == 200 and preview.json()["depth"]["far_mm"] > 30_000
