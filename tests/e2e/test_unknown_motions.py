"""Motions of a class that was left out of training: unknown over HTTP, while those of the others are named."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import SplitEntry, read_split, write_class_names, write_split
from rgbd.recording.stills.images import read_image, write_image
from rgbd.types import Frame
from tests.support.commands import run_module
from tests.support.processed import write_clips, write_config
from tests.support.server import RunningServer, running_server
from tests.support.uploads import npz

pytestmark = pytest.mark.slow

NUM_FRAMES = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return clips of bars that move right or down, and of an empty room as background."""
    root = tmp_path_factory.mktemp("unknown") / "data"
    write_clips(root, clips={"train": 48, "valid": 40}, num_frames=NUM_FRAMES)
    rng = np.random.default_rng(1)
    for performer, (split, count) in enumerate((("train", 16), ("valid", 12)), start=2):
        path = NTU.split_file(root, split, "CS")  # type: ignore[arg-type]
        entries = read_split(path, NTU)
        for number in range(count):
            clip = f"S001C001P{performer:03d}R{number + 1:03d}A003"
            for index, frame in enumerate(empty_room(rng)):
                place = NTU.frame_path(root, "rgb", clip, index)
                place.parent.mkdir(parents=True, exist_ok=True)
                write_image(place, frame)
            entries.append(SplitEntry(clip, NUM_FRAMES, 2))
        write_split(path, entries, NTU)
    write_class_names(root, ["right", "down", "background"])
    return root


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[RunningServer]:
    """Return the service of a network that was trained on them."""
    config = write_config(
        data.parent / "run.yml", data, data.parent / "run", schedule={"epochs": 12, "tau": [0.1, 0.1]}
    )
    bundle = data.parent / "bundle"
    for words in (
        ("training.main", "--config", config),
        (
            "export",
            "--checkpoint",
            data.parent / "run" / "best.pt",
            "--out",
            bundle,
            "--formats",
            "onnx",
            "--precision",
            "fp32",
        ),
    ):
        result = run_module(*words)
        assert result.returncode == 0, result.stdout + result.stderr
    with running_server(bundle) as running:
        yield running


def empty_room(rng: np.random.Generator) -> list[Frame]:
    return [noisy(np.full((60, 80), 40.0), rng) for _ in range(NUM_FRAMES)]


def strange_motion(number: int, rng: np.random.Generator) -> list[Frame]:
    """Return a clip of a kind that was not trained on: a bar that leans, one that stands, or a square that moves."""
    y, x = np.indices((60, 80))
    start = int(rng.integers(0, 10))
    frames = []
    for index in range(NUM_FRAMES):
        place = start + 3 * index
        is_bright = (
            abs(x - y - start) < 8,
            abs(x - 30 - start) < 6,
            (abs(x - place) < 6) & (abs(y - place) < 6),
        )[number % 3]
        frames.append(noisy(np.where(is_bright, 220.0, 40.0), rng))
    return frames


def noisy(image: np.ndarray, rng: np.random.Generator) -> Frame:
    return np.clip(image[:, :, None] + rng.normal(0, 5, (60, 80, 3)), 0, 255).astype(np.uint8)


def asked(server: RunningServer, frames: list[Frame]) -> Any:
    files = {"rgb": ("rgb.npz", npz(frames))}
    response = httpx.post(f"{server.url}/predict", files=files, data={"meta": '{"prepared": true}'}, timeout=60)
    assert response.status_code == 200, response.text
    return response.json()


def test_of_known_motions_nearly_all_are_named_and_of_others_hardly_any(server: RunningServer, data: Path) -> None:
    entries = [entry for entry in read_split(NTU.split_file(data, "valid", "CS"), NTU) if entry.label < 2]
    known = []
    for entry in entries:
        paths = [NTU.frame_path(data, "rgb", entry.clip, index) for index in range(NUM_FRAMES)]
        answer = asked(server, [read_image(path) for path in paths])
        known.append(answer["known"])
        assert answer["predictions"][0]["index"] == entry.label
    rng = np.random.default_rng(7)
    strange = [asked(server, strange_motion(number, rng)) for number in range(24)]
    assert np.mean(known) >= 0.9
    assert np.mean([answer["known"] for answer in strange]) <= 0.3


def test_where_nothing_happens_nothing_is_known(server: RunningServer) -> None:
    rng = np.random.default_rng(8)
    answers = [asked(server, empty_room(rng)) for _ in range(8)]
    assert [answer["known"] for answer in answers] == [False] * 8
    assert sum(answer["predictions"][0]["label"] == "background" for answer in answers) >= 6
