"""`python -m clients live`: recordings are replayed as if a camera took them, and what the service sees is shown."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import read_bundle, write_manifest
from rgbd.types import Frame
from tests.support.commands import assert_refused, run_module
from tests.support.server import running_server
from tests.support.uploads import at_rate, depth_frames, timed_video

FPS = 20
GREY, RED = (90, 90, 90), (200, 0, 0)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bundle = read_bundle(make_bundle(tmp_path_factory.mktemp("model"), "rgbd", alone={"rgb": 0.9}))
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"clip_s": 1.0}))
    with running_server(bundle.folder) as server:
        yield server.url


def coloured(*stretches: tuple[tuple[int, int, int], float]) -> list[Frame]:
    return [np.full((48, 64, 3), color, np.uint8) for color, seconds in stretches for _ in range(round(seconds * FPS))]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "both.mkv"
    frames = coloured((GREY, 1), (RED, 3), (GREY, 1))
    timed_video(path, at_rate(frames, FPS, start_s=7.0), at_rate(depth_frames(len(frames)), FPS, start_s=7.0))
    return path


def test_events_are_printed_as_they_come(url: str, both: Path) -> None:
    begun_s = time.monotonic()
    result = run_module("clients", "live", "--url", url, "--rgb", both, "--speed", 2)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - begun_s > 2.5  # as fast as it was asked for, and no faster
    lines = result.stdout.splitlines()
    assert "all of the frame is looked at" in lines[0]
    events = [line.split() for line in lines if "red" in line]
    assert [words[1] for words in events] == ["...", "to"]
    assert float(events[1][0]) == pytest.approx(1, abs=0.5) and float(events[1][2]) == pytest.approx(4, abs=0.75)
    assert lines[-1].startswith("100 frames, ") and all(len(line) <= 80 for line in lines)


def test_both_streams_of_one_file_as_json(url: str, both: Path) -> None:
    result = run_module("clients", "live", "--url", url, "--rgb-depth", both, "--speed", 3, "--json", "--top-k", 1)
    said = [json.loads(line) for line in result.stdout.splitlines()]
    assert [said[0]["type"], said[-1]["type"]] == ["view", "ended"] and said[-1]["frames"] == 200
    answers = [item for item in said if item["type"] == "answer"]
    assert len(answers) == said[-1]["answers"] and all(len(answer["predictions"]) == 1 for answer in answers)


def test_two_files_are_sent_in_the_order_of_their_times(url: str, tmp_path: Path) -> None:
    timed_video(tmp_path / "rgb.mkv", at_rate(coloured((RED, 2)), FPS))
    timed_video(tmp_path / "depth.mkv", at_rate(depth_frames(20), FPS / 2))
    result = run_module(
        *("clients", "live", "--url", url, "--rgb", tmp_path / "rgb.mkv", "--depth", tmp_path / "depth.mkv"),
        *("--speed", 2, "--json"),
    )
    ended = json.loads(result.stdout.splitlines()[-1])
    assert (ended["frames"], ended["dropped"]) == (60, {"late": 0, "unpaired": 0})


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--rgb", "missing.mkv"], "missing.mkv: cannot be opened"),
        (["--depth", "{both}", "--camera", "0"], "--depth: give --rgb, too"),
        (["--rgb", "{both}", "--speed", "0"], "--speed 0: give a number above 0"),
        (["--rgb", "{both}", "--depth", "{colour}"], "holds no depth; depth is a video of 16-bit grey"),
        (["--camera", "77"], "cannot be opened"),
        (["--realsense"], "pip install pyrealsense2"),
    ],
)
def test_what_cannot_be_sent(url: str, both: Path, tmp_path: Path, words: list[str], reason: str) -> None:
    timed_video(tmp_path / "colour.mkv", at_rate(coloured((RED, 1)), FPS))
    given = [word.format(both=both, colour=tmp_path / "colour.mkv") for word in words]
    assert_refused(run_module("clients", "live", "--url", url, *given), reason)


def test_a_refusal_of_the_service(url: str, both: Path) -> None:
    result = run_module("clients", "live", "--url", url, "--rgb", both, "--window-s", 1e-9)
    assert result.returncode == 1 and "window_s 1e-09: give at least" in result.stderr
