"""What the names of frames say: their order, what is missing between them, and that they are not one stream."""

import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from rgbd.errors import DamagedError, MediaError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.stills.images import encode_image, write_image
from rgbd.recording.streams import StreamReader

GREY = np.full((6, 8), 1000, np.uint16)


def folder_of(path: Path, names: Iterable[str]) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(path / name, GREY if name.endswith("png") else np.zeros((6, 8, 3), np.uint8))
    return path


def zip_of(path: Path, names: Iterable[str]) -> Path:
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for name in names:
            content = encode_image(name[-4:], GREY if name.endswith("png") else np.zeros((6, 8, 3), np.uint8))
            archive.writestr(name, content)
    return path.with_suffix(".zip")


WRITERS = pytest.mark.parametrize("write", [folder_of, zip_of])


def opened(path: Path, limits: Limits) -> StreamReader:
    (stream,) = open_streams(path, limits)
    return stream


GAPS = {
    "one": ([f"{number}.png" for number in range(1, 81) if number != 37], "lacks frame number 37, of 1 to 80"),
    "zeros": ([f"d_{n:04d}.png" for n in range(9) if n not in (3, 4)], "lacks 2 frames, such as number 3, of 0 to 8"),
    "step": ([f"f{number}.png" for number in range(0, 60, 2) if number != 8], "lacks frame number 8, of 0 to 58"),
    "with a time": (
        [f"{n}_{1700000000 + 33 * n + n % 3}.png" for n in range(1, 40) if n != 7],
        "lacks frame number 7, of 1 to 39",
    ),
}


@WRITERS
@pytest.mark.parametrize("case", GAPS)
def test_a_gap_is_damage(tmp_path: Path, write: type, case: str) -> None:
    names, words = GAPS[case]
    path = write(tmp_path / "clip", names)
    with pytest.raises(DamagedError, match=f"clip.*: {words}; copy it again"):
        list(opened(path, Limits()).read())
    stream = opened(path, Limits(on_damage="skip"))
    assert len(list(stream.read())) == len(names) and stream.damage == (words,)


GAPLESS = {
    "from five": [f"{number}.png" for number in range(5, 30)],
    "every second": [f"{number:03d}.png" for number in range(1, 60, 2)],
    "milliseconds": [f"{round(1000 * number / 30)}.png" for number in range(40) if number != 7],
    "nanoseconds": [f"{1_700_000_000_123_456_789 + 33_333_333 * number}.png" for number in range(40) if number != 7],
    "of the day": [f"12-{number // 60:02d}-{number % 60:02d}.png" for number in range(0, 600, 7)],
    "chosen": [f"{number}.png" for number in (3, 4, 9, 17, 40, 41, 90)],
    "words": ["before.png", "after.png"],
    "one": ["17.png"],
    "take": [f"take7_{number}.png" for number in range(12)],
}


@WRITERS
@pytest.mark.parametrize("case", GAPLESS)
def test_no_gap_where_none_can_be_told(tmp_path: Path, write: type, case: str) -> None:
    stream = opened(write(tmp_path / "clip", GAPLESS[case]), Limits())
    assert len(list(stream.read())) == len(GAPLESS[case]) and stream.damage == ()


def test_a_gap_of_billions_takes_no_memory(tmp_path: Path) -> None:
    stream = opened(zip_of(tmp_path / "clip", ["1.png", "2.png", f"{10**15}.png"]), Limits(on_damage="report"))
    assert stream.damage == (f"lacks {10**15 - 3} frames, such as number 3, of 1 to {10**15}",)


@WRITERS
@pytest.mark.parametrize(
    "names",
    [
        [name for number in range(4) for name in (f"{number}.jpg", f"{number}.png")],
        [f"{kind}_{number:03d}.png" for kind in ("depth", "mask") for number in range(4)],
        ["frame1.png", "frame01.png"],
    ],
)
def test_two_streams_in_one_place_are_refused(tmp_path: Path, write: type, names: list[str]) -> None:
    with pytest.raises(MediaError, match=f"clip.*: holds .*{names[0]}.* which have the same number"):
        opened(write(tmp_path / "clip", names), Limits())


@pytest.mark.parametrize(
    ("folders", "listed"),
    [
        (["day1/", "day2/"], "day1 and day2"),
        (["take1/rgb/", "take2/rgb/", "take3/rgb/"], "take1/rgb, take2/rgb and take3/rgb"),
        (["", "more/"], "its top and more"),
        ([f"{number}/" for number in range(30)], "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more"),
    ],
)
def test_several_folders_in_one_archive_are_refused(tmp_path: Path, folders: list[str], listed: str) -> None:
    path = zip_of(tmp_path / "clip", [f"{folder}{number}.png" for folder in folders for number in range(4)])
    with pytest.raises(MediaError, match=f"holds frames in several folders: {listed}; give each recording a file"):
        opened(path, Limits())


def test_a_folder_of_folders_says_where_the_frames_are(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "clip", [f"take{take}/{number}.png" for take in (1, 2) for number in range(4)])
    (folder / "notes").mkdir()
    with pytest.raises(
        MediaError, match=r"clip: holds no JPEG.* files, but folders of them, take1 and take2; give one"
    ):
        opened(folder, Limits())
