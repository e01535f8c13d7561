"""A recording as the camera wrote it, asked about over HTTP, is answered as PyTorch answers the processed data set."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from clients.client import Client
from clients.errors import RefusedError
from rgbd.types import Stream
from tests.support.commands import run_module
from tests.support.processed import write_toy_config
from tests.support.raw_clips import loaded, preprocessed, seen, write_raw
from tests.support.server import RunningServer, running_server
from tests.support.uploads import zip_folder
from training.run.checkpoint import load_checkpoint, restore_network

_CLIP = {"num_frames": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two raw recordings, what preprocessing makes of one, and a network that has seen that."""
    folder = tmp_path_factory.mktemp("raw")
    given = write_raw(folder / "one", seen(0.2))
    write_raw(folder / "two", seen(-0.8, 0.7))
    data = preprocessed(folder, given)
    section = {"dataset": "custom", "root": str(data), "protocol": "", "num_workers": 0}
    streams = {stream: str(folder / stream / "last.pt") for stream in ("rgb", "depth")}
    for name, sections in (("rgb", {}), ("depth", {}), ("rgbd", {"streams": streams})):
        config = write_toy_config(
            folder / f"{name}.yml",
            data,
            folder / name,
            modality=name,
            data=section,
            clip=_CLIP,
            schedule={"epochs": 1},
            batch_size=2,
            **sections,
        )
        result = run_module("training.main", "--config", config)
        assert result.returncode == 0, result.stderr
    words = ("--checkpoint", folder / "rgbd" / "last.pt", "--out", folder / "bundle", "--formats", "onnx")
    exported = run_module("export", *words, "--precision", "fp32", "--alone", "depth", "--data", data)
    assert exported.returncode == 0, exported.stderr
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[RunningServer]:
    with running_server(folder / "bundle", num_decoders=1) as server:
        yield server


def ask(server: RunningServer, folder: Path, query: str = "", **meta: object) -> dict[str, Any]:
    files = {"rgb": (folder / "rgb.avi").read_bytes(), "depth": zip_folder(folder / "depth")}
    url = f"{server.url}/predict?top_k=2{query}"
    response = httpx.post(url, files=files, data={"meta": json.dumps(meta)}, timeout=60)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def log_scores(answer: dict[str, Any]) -> list[float]:
    return [float(np.log(p["score"])) for p in sorted(answer["predictions"], key=lambda p: int(p["index"]))]


def test_raw_and_prepared_uploads_are_answered_as_pytorch_answers(server: RunningServer, folder: Path) -> None:
    checkpoint = load_checkpoint(folder / "rgbd" / "last.pt")
    network = restore_network(checkpoint).eval()
    clips = {stream: torch.from_numpy(clip[None]) for stream, clip in loaded(checkpoint.config).items()}
    with torch.no_grad():
        logits = network(*clips.values()).scores["verdict"]
    wanted = torch.log_softmax(logits / checkpoint.temperature, dim=-1)[0].tolist()
    raw = ask(server, folder / "one")
    assert log_scores(raw) == pytest.approx(wanted, abs=1e-4)
    preparation = raw["clip"]["preparation"]
    assert (preparation["was_prepared"], preparation["decided_by"], preparation["person"]) == (False, "looks", 1)
    files = {stream: zip_folder(folder / "data" / stream / "valid") for stream in ("rgb", "depth")}
    prepared = httpx.post(server.url + "/predict", files=files, timeout=60).json()
    assert prepared["clip"]["preparation"]["was_prepared"]
    assert log_scores(prepared) == pytest.approx(wanted, abs=1e-4)


def test_each_of_two_people_gets_an_answer(server: RunningServer, folder: Path) -> None:
    each = ask(server, folder / "two", "&people=each")
    assert [person["person"] for person in each["people"]] == [1, 2]
    first, second = (person["predictions"] for person in each["people"])
    assert each["predictions"] == first != second
    largest = ask(server, folder / "two")
    assert largest["predictions"] == first and largest["people"] == []
    assert largest["clip"]["preparation"]["num_people"] == 2
    together = ask(server, folder / "two", "&people=all")
    assert together["clip"]["preparation"]["person"] is None and together["predictions"] != first


def test_the_rest_takes_raw_recordings_as_well(server: RunningServer, folder: Path) -> None:
    files = {"rgb": (folder / "one" / "rgb.avi").read_bytes(), "depth": zip_folder(folder / "one" / "depth")}
    explained = httpx.post(server.url + "/explain", files=files, timeout=60).json()
    answer = ask(server, folder / "one")
    best = answer["predictions"][0]
    assert (explained["label"], explained["score"]) == (best["label"], pytest.approx(best["score"]))
    model = httpx.get(server.url + "/v2/models/" + answer["model"]["name"]).json()
    assert model["preparation"] == json.loads((folder / "bundle" / "bundle.json").read_text())["preparation"]
    assert (model["preparation"]["masks"], model["preparation"]["roi"]) == ("body", "clip")


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({"camera": "kinect_v9"}, "kinect_v9"),
        ({"intrinsics": {"fx": 0}}, "intrinsics.fx"),
        ({"intrinsics": {"fy": 300}}, "intrinsics.fx"),
        ({"intrinsics": {"fx": 300}, "camera": "d435"}, "give one of them"),
        ({"prepared": "maybe"}, "prepared"),
    ],
)
def test_what_makes_no_sense_of_a_camera_is_refused(
    server: RunningServer, folder: Path, meta: dict[str, object], reason: str
) -> None:
    files = {"depth": zip_folder(folder / "one" / "depth")}
    response = httpx.post(server.url + "/predict", files=files, data={"meta": json.dumps(meta)}, timeout=60)
    assert response.status_code == 400 and response.json()["error"] == "malformed_meta"
    assert reason in response.json()["detail"]


def test_depth_alone_is_prepared_as_well(server: RunningServer, folder: Path) -> None:
    stream: Stream = "depth"
    files = {stream: zip_folder(folder / "one" / "depth")}
    meta = {"intrinsics": {"fx": 285.63}}
    answer = httpx.post(server.url + "/predict", files=files, data={"meta": json.dumps(meta)}, timeout=60).json()
    preparation = answer["clip"]["preparation"]
    assert not preparation["was_prepared"] and preparation["depth_camera"] == "fx 285.63"
    assert any(warning.startswith("rgb is missing") for warning in answer["warnings"])


def test_the_client_asks_for_all_of_it(server: RunningServer, folder: Path) -> None:
    two = folder / "two"
    with Client(server.url) as client:
        model = client.predict(two / "rgb.avi", two / "depth").model
        answer = client.predict(
            two / "rgb.avi",
            two / "depth",
            model=model.name,
            version=model.version,
            people="each",
            fps=30,
            depth_fps=30,
            start_s=0.2,
            end_s=1.0,
            prepared=False,
            intrinsics={"fx": 285.63, "fy": 285.63, "cx": 160, "cy": 120},
        )
        with pytest.raises(RefusedError, match="kinect_v9"):
            client.predict(two / "rgb.avi", two / "depth", camera="kinect_v9")
        with pytest.raises(RefusedError, match="no model 'another'"):
            client.predict(two / "rgb.avi", two / "depth", model="another")
    preparation = answer.clip.preparation
    assert preparation is not None and not preparation.was_prepared and preparation.num_people == 2
    assert preparation.decided_by == "meta" and preparation.depth_camera == "fx 285.63 fy 285.63 cx 160 cy 120"
    assert answer.clip.rgb_frames == 24 and answer.clip.aligned_by == "time"
    assert [person.person for person in answer.people] == [1, 2]
    assert answer.people[0].predictions == answer.predictions and answer.people[0].box_px == preparation.box_px


def test_so_does_its_command_line(server: RunningServer, folder: Path) -> None:
    two = folder / "two"
    words = ("--rgb", two / "rgb.avi", "--depth", two / "depth", "--url", server.url)
    more = ("--people", "each", "--prepared", "no", "--intrinsics", "285.63", "--fps", "30", "--end-s", "1")
    result = run_module("clients", "predict", *words, *more)
    assert result.returncode == 0, result.stderr
    assert "person 1: " in result.stdout and "person 2: " in result.stdout
    assert "a raw recording: 2 people were found; cut to " in result.stdout
    wrong = run_module("clients", "predict", *words, "--intrinsics", "1,2")
    assert wrong.returncode == 2 and "invalid one number, or four value: '1,2'" in wrong.stderr
