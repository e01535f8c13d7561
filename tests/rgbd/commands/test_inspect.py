"""`python -m rgbd inspect` on files that other libraries wrote, and on real ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.ros_bags import DEPTH, SECOND, image, write_bag
from rgbd.__main__ import main
from rgbd.errors import MediaError, UserError
from rgbd.recording.stills.images import read_image, write_image
from tests.support.real import real_recordings
from tests.support.two_cameras import COLOR_FOCAL, see_both, write_both
from tests.support.videos import cut_before_its_frames, ffv1_depth


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_both(tmp_path_factory.mktemp("calibrated"), see_both())


def test_what_a_calibrated_bag_holds_and_what_becomes_of_it(
    calibrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    assert main(["inspect", str(calibrated), "--sheet", str(sheet)]) == 0
    said = capsys.readouterr().out
    for line in (
        "colour    640x360    6         30          0.000, 0.167",
        "depth     320x288    6         30          0.011, 0.178",
        "colour: is called /camera/color/image_raw",
        f"colour: fx {COLOR_FOCAL:.2f}, fy {COLOR_FOCAL:.2f}, cx 319.50, cy 179.50 px",
        "depth lies over colour by calibration; the colour lens lies 12.0 cm aside",
        "people are in 6 frames, ",
        "(lines of sight: calibration in the file)",
        "frames are cropped to ",
    ):
        assert line in " ".join(said.split("\n")) or line in said
    assert "warning" not in said and max(map(len, said.splitlines())) <= max(80, len(str(sheet)) + 20)
    assert read_image(sheet).shape == (3 * 200, 6 * 356, 3)  # colour, depth, and depth over colour


def test_the_same_as_json_without_a_sheet(
    calibrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", str(calibrated), "--json", "--no-sheet"]) == 0
    found = json.loads(capsys.readouterr().out)
    rgb, depth = found["streams"]
    assert (rgb["kind"], depth["kind"], depth["num_frames"], depth["gaps"]) == ("rgb", "depth", 6, [])
    assert depth["distances"]["measured_share"] > 0.9 and 1.5 < depth["distances"]["median_m"] < 6
    assert found["preprocessing"]["registration"] == "calibration" and found["refusal"] is None
    assert found["preprocessing"]["depth_to_color_cm"] == [-12, 0, 0]
    assert list(tmp_path.iterdir()) == []


def test_the_sheet_lies_in_this_folder_where_no_other_is_named(
    calibrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", str(calibrated)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["recorded_sheet.jpg"]


def test_gaps_are_told_with_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stamps = [0.0, 0.1, 0.2, 0.7, 0.8, 0.9, 1.2]
    said = [image("16UC1", DEPTH[0], int((1 + stamp) * SECOND)) for stamp in stamps]
    main(["inspect", str(write_bag(tmp_path, "mcap", {"/depth/image": said})), "--no-sheet"])
    assert "2 gaps between frames: 0.500 s after 0.200, 0.300 s after 0.900" in capsys.readouterr().out


def test_several_topics_are_all_listed_and_one_has_to_be_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics = {f"/{side}/depth/image": [image("16UC1", np.full((96, 128), 2000, np.uint16), SECOND)] for side in "lr"}
    path = str(write_bag(tmp_path, "bag", topics))
    assert main(["inspect", path, "--no-sheet"]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "is called /l/depth/image" in said and "is called /r/depth/image" in said
    assert "cannot use it" in said and "choose one by its name: depth_track" in said
    assert main(["inspect", path, "--no-sheet", "--depth-track", "/r/depth/image"]) == 1
    assert "no body was found in any depth frame" in " ".join(capsys.readouterr().out.split())


def test_a_scale_that_no_sensor_has_is_named_with_the_one_that_fits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        (tmp_path / "depth").mkdir(exist_ok=True)
        write_image(tmp_path / "depth" / f"{number}.png", np.full((96, 128), 30000, np.uint16))
    assert main(["inspect", str(tmp_path / "depth"), "--no-sheet"]) == 1
    assert "(depth_scale_mm 0.1)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("sheet", ["recorded.bag", "recorded.bag/x.jpg", "sheet.gif"])
def test_no_sheet_is_written_over_a_recording(tmp_path: Path, sheet: str) -> None:
    path = write_bag(tmp_path, "bag", {"/depth/image": [image("16UC1", DEPTH[0], SECOND)]})
    before = path.read_bytes()
    link = tmp_path / "link.jpg"
    link.symlink_to(path)
    for target in (tmp_path / sheet, link):
        with pytest.raises(UserError, match="--sheet"):
            main(["inspect", str(path), "--sheet", str(target)])
    assert path.read_bytes() == before


def test_what_is_no_recording_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.xyz").write_text("nothing")
    with pytest.raises(MediaError):
        main(["inspect", str(tmp_path / "notes.xyz")])
    with pytest.raises(UserError, match="no recording is given; give the file"):
        main(["inspect"])


def test_what_holds_no_frames_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"depth\.mkv: holds no frames; record it again"):
        main(["inspect", "--depth", str(cut_before_its_frames(ffv1_depth(tmp_path))), "--no-sheet"])


def test_a_real_fall_is_drawn_with_both_streams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, sheet = real_recordings("ur_fall"), tmp_path / "fall.png"
    files = ["--rgb", str(folder / "fall-01-cam0_rgb.mp4"), "--depth", str(folder / "depth")]
    assert main(["inspect", *files, "--depth-scale-mm", "0.09155", "--sheet", str(sheet)]) == 0
    assert "people are in 40 frames" in capsys.readouterr().out
    assert read_image(sheet).shape == (600, 6 * 267, 3)


def test_depth_as_images_is_drawn_although_nobody_can_be_found_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for stream in ("rgb", "depth"):
        (tmp_path / stream).mkdir()
        write_image(tmp_path / stream / "1.jpg", np.full((96, 128, 3), 90, np.uint8))
        files += [f"--{stream}", str(tmp_path / stream)]
    assert main(["inspect", *files, "--sheet", str(tmp_path / "sheet.png")]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "depth, 8 bits" in said and "is depth as 8-bit images, in which nobody can be found" in said
    assert read_image(tmp_path / "sheet.png").shape == (600, 267, 3)


def test_a_sheet_that_cannot_be_written_is_an_error_that_names_it(calibrated: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--sheet .*file/s.jpg: cannot be written .*name another file, or --no-sheet"):
        main(["inspect", str(calibrated), "--sheet", str(tmp_path / "file" / "s.jpg")])


def test_what_is_damaged_says_that_it_needs_to_be_accepted(
    calibrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.bag"
    content = calibrated.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    main(["inspect", str(path), "--no-sheet"])
    assert "it is damaged: taken with --accept-short only" in " ".join(capsys.readouterr().out.split())
