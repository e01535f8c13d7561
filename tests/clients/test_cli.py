"""`python -m clients` as a person runs it: what is printed, and with which exit code it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from benchmarks.support.tiny_bundle import make_bundle
from tests.support.client_recording import color_frames, depth_frames, write_frames, write_recording
from tests.support.commands import assert_refused, run_module
from tests.support.server import running_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle"))) as server:
        yield server.url


ROOT = Path(__file__).parents[2]


def installed_by_the_extra(folder: Path) -> Path:
    """Return a folder that has the client, what its extra installs and what that in turn needs, and nothing else."""
    folder.mkdir()
    (folder / "clients").symlink_to(ROOT / "clients")
    todo = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["client"]
    done: set[str] = set()
    while todo:
        needed = Requirement(todo.pop())
        if needed.name in done or (needed.marker and not needed.marker.evaluate({"extra": ""})):
            continue
        done.add(needed.name)
        found = distribution(needed.name)
        for name in {file.parts[0] for file in found.files or () if ".." not in file.parts} - {"__pycache__"}:
            (folder / name).symlink_to(found.locate_file(name))
        todo += found.requires or ()
    return folder


def test_the_extra_installs_all_that_the_client_needs(url: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed_by_the_extra(tmp_path / "site"))}
    rgb = write_frames(tmp_path / "rgb", color_frames(12), ".jpg")
    depth = write_frames(tmp_path / "depth", depth_frames(12), ".png")
    for words in (["--help"], ["health", "--url", url], ["predict", "--rgb", rgb, "--depth", depth, "--url", url]):
        # -S leaves out what is installed here.
        command = [sys.executable, "-S", "-m", "clients", *map(str, words)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, ""), words
    assert "red" in result.stdout


def test_predict_prints_a_ranking_at_80_columns(url: str, tmp_path: Path) -> None:
    rgb, depth = write_recording(tmp_path)
    result = run_module("clients", "predict", "--rgb", rgb, "--depth", depth, "--url", url)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    ranking = [line for line in lines if "%" in line and "stream:" not in line]
    assert len(ranking) == 3  # the tiny model has three labels
    assert ranking[0].split()[0] == "1"
    shares = [float(line.split()[-1].removesuffix("%")) for line in ranking]
    assert shares == sorted(shares, reverse=True)
    assert ranking[0].count("█") > ranking[2].count("█")
    assert "rgb stream: red" in result.stdout


def test_predict_prints_json_for_programs(url: str, tmp_path: Path) -> None:
    _, depth = write_recording(tmp_path)
    rgb = write_frames(tmp_path / "frames", color_frames(12), ".jpg")
    result = run_module("clients", "predict", "--rgb", rgb, "--depth", depth, "--url", url, "--top-k", "1", "--json")
    answer = json.loads(result.stdout)
    assert len(answer["predictions"]) == 1
    assert answer["model"]["name"] == "tiny"


def test_a_refusal_ends_with_1_and_a_mistake_with_2(url: str, tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    refused = run_module("clients", "predict", "--rgb", rgb, "--url", url)
    assert refused.returncode == 1
    assert "give depth, too" in refused.stderr
    assert "400 missing_stream" in refused.stderr
    mistaken = run_module("clients", "predict", "--rgb", tmp_path / "nowhere.mp4", "--url", url)
    assert_refused(mistaken, "nowhere.mp4: cannot be read")
    assert run_module("clients", "predict", "--top-k", "many").returncode == 2
    assert refused.stdout == mistaken.stdout == ""
    assert "Traceback" not in refused.stderr


def test_health(url: str) -> None:
    assert run_module("clients", "health", "--url", url).stdout == f"{url}: ready\n"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        result = run_module("clients", "health", "--url", f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert result.returncode == 1
    assert "is the service running?" in result.stderr


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    rgb, _ = write_recording(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [sys.executable, "-m", "clients", "predict", "--rgb", str(rgb), "--url", url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, silent.accept()[0] as connection:
            connection.recv(1)  # it waits for an answer now
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == "interrupted\n"


def test_what_the_model_has_not_learnt_is_printed_as_unknown(tmp_path: Path) -> None:
    rgb, depth = write_recording(tmp_path)
    bundle = make_bundle(tmp_path / "bundle", familiar=(0.0, 100.0))  # most known clips look more familiar
    with running_server(bundle) as server:
        words = ("clients", "predict", "--rgb", rgb, "--depth", depth, "--url", server.url, "--windows", "2")
        known, unknown = run_module(*words), run_module(*words, "--accepted", "0.5")
        refused = run_module(*words, "--accepted", "2")
        answer = json.loads(run_module(*words, "--accepted", "0.5", "--json").stdout)
    assert "unknown" not in known.stdout and "nearest" not in known.stdout
    assert unknown.stdout.startswith("unknown: no motion that the model has learnt; nearest are\n")
    assert unknown.stdout.count("unknown, nearest ") == 2
    assert max(map(len, unknown.stdout.splitlines())) <= 80
    assert refused.returncode == 1 and "accepted" in refused.stderr
    assert answer["known"] is False and 0 < answer["confidence"] < 0.5
