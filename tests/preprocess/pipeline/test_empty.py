"""A clip whose depth shows nothing is never done: it fails with the reason, or is kept whole."""

from pathlib import Path

import numpy as np
import pytest

from preprocess import thu_read
from rgbd.dataset.layouts import CUSTOM
from rgbd.dataset.records import RECORDS_FILE, Journal
from rgbd.dataset.splits import read_split
from rgbd.errors import DatasetError
from rgbd.recording.stills.images import read_image, write_image
from rgbd.recording.videos.video import write_video
from tests.support.custom_runs import run, write_csv
from tests.support.processed import records
from tests.support.real import real_recordings

WALL_MM = 4000


def write_depth(folder: Path, *millimetres: int) -> Path:
    """Write frames that show a wall and nobody."""
    folder.mkdir(parents=True)
    for index, value in enumerate(millimetres):
        write_image(folder / f"{index:03d}.png", np.full((106, 142), value, np.uint16))
    return folder


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    write_depth(raw / "room", *[WALL_MM] * 8)
    write_depth(raw / "dead", *[0] * 8)
    write_video(raw / "color.mp4", [np.full((212, 284, 3), 90, np.uint8)] * 8)
    row = {"class": "wave", "split": "train"}
    rows = [{"clip": name, "depth": name, "rgb": ""} for name in ("room", "dead")]
    return write_csv(
        raw / "m.csv", *(one | row for one in [*rows, {"clip": "both", "depth": "room", "rgb": "color.mp4"}])
    )


def test_it_fails_with_the_reason(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(manifest, out) == 1
    for record in records(out).values():
        assert record["status"] == "failed"
        assert "no body was found in any of its 8 depth frames; --on-empty keep" in record["reason"]
    assert not list(out.glob("depth/*")) and not list(out.glob("rgb/*"))


def test_it_is_kept_whole_on_demand(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(manifest, out) == 1
    assert run(manifest, out, "--on-empty", "keep") == 0  # what has failed is tried again
    by_clip = records(out)
    for clip in ("room", "both"):
        frame = read_image(CUSTOM.frame_path(out, "depth", clip, 7))
        assert (frame == WALL_MM).all() and frame.shape == ((106, 142) if clip == "room" else (212, 284))
        assert by_clip[clip]["roi"] == "whole" and "mask_source" not in by_clip[clip]
        assert any("it was kept whole" in warning for warning in by_clip[clip]["warnings"])
    assert read_image(CUSTOM.frame_path(out, "rgb", "both", 7)).shape == (212, 284, 3)
    assert {entry.clip for entry in read_split(CUSTOM.split_file(out, "train", ""), CUSTOM)} == {"room", "dead", "both"}
    assert run(manifest, out) == 0  # and stays done
    assert records(out) == by_clip


def test_without_masks_only_dead_depth_is_empty(manifest: Path, tmp_path: Path) -> None:
    assert run(manifest, tmp_path / "data", "--masks", "none") == 1
    by_clip = records(tmp_path / "data")
    assert {clip: record["status"] for clip, record in by_clip.items()} == {
        "room": "done",
        "both": "done",
        "dead": "failed",
    }
    assert "none of its 8 depth frames holds a measurement" in by_clip["dead"]["reason"]


def test_depth_that_comes_after_colour_shows_the_same_part(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    text = manifest.read_text()
    manifest.write_text("\n".join(line.replace(",room,", ",,") for line in text.splitlines() if "dead" not in line))
    manifest.write_text(manifest.read_text().replace("room,,,", "room,room,,"))
    assert run(manifest, out, "--only", "both") == 0
    manifest.write_text(text)
    assert run(manifest, out, "--only", "both", "--on-empty", "keep") == 0
    record = records(out)["both"]
    assert record["streams"] == ["rgb", "depth"] and record["roi"] == "whole"
    assert read_image(CUSTOM.frame_path(out, "depth", "both", 0)).shape == (212, 284)


def test_what_an_earlier_version_took_for_done_is_tried_again(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run(manifest, out, "--on-empty", "keep") == 0
    journal = Journal(out / RECORDS_FILE)
    was = {"mask_source": "depth", "empty_masks": 8, "mask_coverage": 0.0, "roi": "clip"}
    journal.add(journal.records["room"].model_copy(update=was))
    journal.close()
    assert run(manifest, out) == 1
    assert {clip: record["status"] for clip, record in records(out).items()}["room"] == "failed"


def test_a_published_data_set_s_depth_may_be_dead_too(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_depth(raw / "D_wear_watch_cgy_2", 0, 0, 0)
    (raw / "RGB_wear_watch_cgy_2").mkdir()
    for index in range(3):
        write_image(raw / "RGB_wear_watch_cgy_2" / f"{index}.jpg", np.full((106, 142, 3), 90, np.uint8))
    words = ["--raw", str(raw), "--out", str(tmp_path / "data"), "--jobs", "1"]
    assert thu_read.main(words) == 1
    assert (
        "none of its 3 depth frames holds a measurement; --on-empty"
        in records(tmp_path / "data")["wear_watch_cgy_2"]["reason"]
    )
    assert thu_read.main([*words, "--on-empty", "keep"]) == 0


def test_real_people_are_not_erased(tmp_path: Path) -> None:
    folder = real_recordings("utd_mhad") / "Depth"
    rows = [
        {"clip": path.stem, "depth": path, "class": path.stem.split("_")[0], "split": "train"}
        for path in sorted(folder.glob("*.mat"))[:12]
    ]
    manifest, out = write_csv(tmp_path / "m.csv", *rows), tmp_path / "data"
    assert run(manifest, out) == 0
    for clip, record in records(out).items():
        assert (record["mask_source"], record["empty_masks"]) == ("given", 0)
        frames = [read_image(CUSTOM.frame_path(out, "depth", clip, i)) for i in range(record["num_frames"])]
        assert all((frame > 0).mean() > 0.05 for frame in frames), clip
    with pytest.raises(DatasetError, match="was made with"):
        run(manifest, out, "--masks", "none")
