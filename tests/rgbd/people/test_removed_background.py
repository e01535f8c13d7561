"""Depth that comes without its background is used as it is; depth of rooms is not taken for it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.depth_list import DepthList
from preprocess.synthetic.recording import Recording
from rgbd.camera.sensors import nominal_camera
from rgbd.dataset.layouts import CUSTOM
from rgbd.people.masked_depth import mask_depth
from rgbd.people.removed_background import background_is_removed
from rgbd.recording.depth import MeasuredDepth
from rgbd.recording.formats import open_streams
from rgbd.recording.stills.images import read_image, write_image
from tests.support.custom_runs import run, write_csv
from tests.support.processed import records
from tests.support.real import real_recordings


@pytest.mark.parametrize("index", [0, 79])
def test_what_is_left_of_a_frame_is_kept_to_the_pixel(index: int) -> None:
    frames = list(Recording(index, 0, 0.5).frames())
    depth = [np.where(frame.mask, frame.depth_mm, 0).astype(np.uint16) for frame in frames]
    skeleton = [frame.bodies for frame in frames]
    camera = nominal_camera(depth[0].shape[::-1])
    for known in ([], skeleton):
        masked = mask_depth(DepthList(depth), known, "body", camera, is_official=False)
        assert masked.source == "given"
        for (found, _), expected in zip(masked.cut_out(), depth, strict=True):
            np.testing.assert_array_equal(found, expected)
    room = DepthList([frame.depth_mm for frame in frames])
    assert mask_depth(room, [], "body", camera, is_official=False).source == "depth"


def test_rooms_of_which_little_is_measured_are_rooms() -> None:
    frames = [frame.depth_mm for frame in Recording(0, 0, 0.5).frames()]
    camera = nominal_camera(frames[0].shape[::-1])
    half = [np.where(np.arange(frame.shape[1]) % 5 < 2, frame, 0).astype(np.uint16) for frame in frames]
    assert not background_is_removed(DepthList(half), camera)
    wall = [np.full((106, 142), 800, np.uint16)] * 4  # of a square metre, close before the lens
    assert not background_is_removed(DepthList(wall), nominal_camera((142, 106)))
    assert not background_is_removed(DepthList([np.zeros((106, 142), np.uint16)] * 4), camera)


def test_the_record_says_so(tmp_path: Path) -> None:
    for index, frame in enumerate(Recording(0, 0, 0.5).frames()):
        path = tmp_path / "depth" / f"{index:03d}.png"
        path.parent.mkdir(exist_ok=True)
        write_image(path, np.where(frame.mask, frame.depth_mm, 0).astype(np.uint16))
    manifest = write_csv(tmp_path / "m.csv", {"clip": "c", "depth": "depth", "class": "wave", "split": "train"})
    assert run(manifest, tmp_path / "data") == 0
    record = records(tmp_path / "data")["c"]
    assert (record["mask_source"], record["empty_masks"]) == ("given", 0)
    assert "its depth came without a background; all of it was taken for the people's" in record["warnings"]
    assert read_image(CUSTOM.frame_path(tmp_path / "data", "depth", "c", 0)).any()


def test_real_masked_depth_is_recognised_and_a_real_room_is_none() -> None:
    paths = sorted((real_recordings("utd_mhad") / "Depth").glob("*.mat"))[::40]
    streams = [open_streams(path)[0] for path in paths]
    assert all(background_is_removed(MeasuredDepth(stream), nominal_camera(stream.size)) for stream in streams)
    fall = open_streams(real_recordings("ur_fall") / "depth")[0]
    assert not background_is_removed(MeasuredDepth(fall, 6000 / 65535), nominal_camera(fall.size))
