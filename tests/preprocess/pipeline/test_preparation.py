"""What was done to recordings is kept with the data set, and can be done to those of any data set."""

import json
from pathlib import Path

import numpy as np
import pytest

from preprocess import convert, thu_read
from rgbd.dataset.layouts import THU_READ
from rgbd.dataset.run_info import RUN_FILE, read_run_info
from rgbd.errors import DatasetError
from rgbd.recording.stills.images import read_image, write_image
from rgbd.recording.videos.video import write_video
from tests.support.ntu_recordings import BODY_MM, DEPTH_SIZE, WALL_MM, body_at, draw, make_recording
from tests.support.ntu_runs import run
from tests.support.processed import records


def test_it_is_written_and_goes_with_the_data(tmp_path: Path) -> None:
    make_recording(tmp_path / "raw")
    assert run(tmp_path / "raw", tmp_path / "data", "--streams", "rgb", "--roi", "tracked") == 0
    info = read_run_info(tmp_path / "data")
    assert info.preparation is not None and info.settings is None
    assert (info.preparation.masks, info.preparation.roi, info.preparation.streams) == ("body", "tracked", ("rgb",))
    assert info.preparation.size == (320, 240) and info.preparation.version == 4
    assert run(tmp_path / "raw", tmp_path / "data", "--streams", "depth", "--roi", "tracked") == 0
    both = read_run_info(tmp_path / "data").preparation
    assert both == info.preparation.model_copy(update={"streams": ("rgb", "depth")})
    words = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "tars"), "--format", "shards", "--jobs", "1"]
    assert convert.main(words) == 0
    assert read_run_info(tmp_path / "tars").preparation == both


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A data set as the version before wrote it."""
    make_recording(tmp_path / "raw")
    assert run(tmp_path / "raw", tmp_path / "data") == 0
    text = {"dataset": "ntu", "raw": "raw", "format": "folders", "settings": {"masks": "body", "roi": "clip"}}
    (tmp_path / "data" / RUN_FILE).write_text(json.dumps(text))
    return tmp_path / "data"


def test_an_earlier_data_set_has_none_and_that_is_said(earlier: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = earlier.parent / "raw"
    assert read_run_info(earlier).preparation is None
    assert run(raw, earlier) == 0
    assert "does not say how recordings were prepared" in capsys.readouterr().err
    assert read_run_info(earlier).preparation is None
    with pytest.raises(DatasetError, match=r"was made with \{'roi': 'clip'\}, not with \{'roi': 'whole'\}"):
        run(raw, earlier, "--roi", "whole")
    assert run(raw, earlier, "--overwrite") == 0
    made = read_run_info(earlier).preparation
    assert made is not None and (made.masks, made.roi) == ("body", "clip")


def test_an_earlier_data_set_of_tar_files_knows_its_streams(tmp_path: Path) -> None:
    make_recording(tmp_path / "raw")
    assert run(tmp_path / "raw", tmp_path / "data", "--format", "shards") == 0
    settings = {"masks": "body", "roi": "clip", "streams": "rgb depth"}
    text = {"dataset": "ntu", "raw": "raw", "format": "shards", "settings": settings}
    (tmp_path / "data" / RUN_FILE).write_text(json.dumps(text))
    assert run(tmp_path / "raw", tmp_path / "data", "--format", "shards") == 0
    with pytest.raises(DatasetError, match=r"was made with \{'streams'"):
        run(tmp_path / "raw", tmp_path / "data", "--format", "shards", "--streams", "rgb")


def test_people_are_cut_out_of_any_data_set_that_has_depth(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    (raw / "D_wear_watch_cgy_2").mkdir(parents=True)
    colors = []
    for index in range(8):
        depth = np.full(DEPTH_SIZE[::-1], WALL_MM, np.uint16)
        body = body_at(0.1 * index - 0.4)
        draw(depth, body, body.depth_xy, BODY_MM, 1)
        write_image(raw / "D_wear_watch_cgy_2" / f"{index}.png", depth)
        colors.append(np.full((212, 256, 3), 90, np.uint8))
    write_video(raw / "RGB_wear_watch_cgy_2.avi", colors)
    words = ["--raw", str(raw), "--out", str(out), "--jobs", "1"]
    assert thu_read.main([*words, "--masks", "body", "--roi", "clip"]) == 0
    record = records(out)["wear_watch_cgy_2"]
    assert record["mask_source"] == "depth" and record["roi"] == "clip" and record["box_color_px"] != [0, 0, 256, 212]
    frame = read_image(THU_READ.frame_path(out, "depth", "wear_watch_cgy_2", 4))
    assert frame.shape == (240, 320) and set(np.unique(frame)) <= {0, BODY_MM} and (frame > 0).mean() > 0.02
    with pytest.raises(DatasetError, match="was made with"):
        thu_read.main(words)


def test_clips_of_another_version_are_not_mixed_in(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "data"
    make_recording(raw)
    assert run(raw, out) == 0
    info = json.loads((out / RUN_FILE).read_text())
    info["preparation"]["version"] = 1
    (out / RUN_FILE).write_text(json.dumps(info))
    with pytest.raises(
        DatasetError, match=r"was made with \{'version': '1'\}, not with \{'version': '4'\}.*--overwrite"
    ):
        run(raw, out)
    assert run(raw, out, "--overwrite") == 0
    made = read_run_info(out).preparation
    assert made is not None and made.version == 4
