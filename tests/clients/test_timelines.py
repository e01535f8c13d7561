"""Time lines through the client: the service's own answer, as values, as a table at 80 columns, and as files."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest

from clients.answers import Event, Window, parse_timeline
from clients.client import Client
from clients.errors import InputError, RefusedError, UnexpectedAnswerError
from tests.support.commands import assert_refused, run_module
from tests.support.doctored import doctored
from tests.support.long_recordings import lasting_a_second, long_video
from tests.support.server import running_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(lasting_a_second(tmp_path_factory.mktemp("model"), "rgb")) as server:
        yield server.url


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_video(tmp_path_factory.mktemp("recording") / "long.mkv")


def test_the_answer_is_the_services_own(url: str, video: Path) -> None:
    with Client(url) as client:
        found = client.timeline(video, top_k=2, start_s=1, window_s=0.5, people=None)
    with video.open("rb") as file:
        params, data = {"top_k": 2, "window_s": 0.5}, {"meta": '{"start_s": 1}'}
        body = httpx.post(f"{url}/timeline", files={"rgb": file}, params=params, data=data).raise_for_status().json()
    for event in body["events"]:
        assert event.pop("is_over")  # all are, at the end
    ours = json.loads(json.dumps(asdict(found)))
    assert ours | {"request_id": ""} == body | {"request_id": ""}
    assert isinstance(found.events[0], Event) and isinstance(found.windows[0], Window)
    assert [event.label for event in found.events] == ["red", "green"] and found.model.name == "tiny"


def test_fields_that_are_not_known_or_not_there_are_no_reason_to_fail(url: str, video: Path) -> None:
    with video.open("rb") as file:
        body = httpx.post(f"{url}/timeline", files={"rgb": file}).raise_for_status().json()
    plain = parse_timeline(body)
    assert parse_timeline(doctored(body)) == plain
    fewer = parse_timeline(doctored(body, ("person", "box_px", "windows", "confidence")))
    assert fewer.windows == () and [event.label for event in fewer.events] == ["red", "green"]
    for missing in ("events", "duration_s", "model"):
        with pytest.raises(UnexpectedAnswerError, match=missing):
            parse_timeline({name: value for name, value in body.items() if name != missing})


def test_what_makes_no_sense_is_said(url: str, video: Path) -> None:
    with Client(url) as client:
        with pytest.raises(InputError, match="no stream"):
            client.timeline()
        with pytest.raises(RefusedError, match="window_s 1000: give at least"):
            client.timeline(video, window_s=1000)
        with pytest.raises(RefusedError, match=r"did you mean \?window_s=\?"):
            client.timeline(video, windows_s=1)  # type: ignore[call-arg]


def test_events_are_printed_at_80_columns(url: str, video: Path) -> None:
    result = run_module("clients", "timeline", "--rgb", video, "--url", url, "--start-s", "1")
    assert (result.returncode, result.stderr) == (0, "")
    head, *rows, last = result.stdout.splitlines()
    assert head.split() == ["from,", "s", "to,", "s", "score", "motion"]
    assert [row.split()[3] for row in rows] == ["red", "green"]
    assert "tiny 1, 2 events in 10.0 s, by windows of 1.00 s" in last
    assert max(map(len, result.stdout.splitlines())) <= 80
    nothing = run_module("clients", "timeline", "--rgb", video, "--url", url, "--end-s", "1")
    assert "no events in 1.0 s" in nothing.stdout and "score" not in nothing.stdout


def test_a_file_gets_what_its_name_asks_for(url: str, video: Path, tmp_path: Path) -> None:
    words = ("clients", "timeline", "--rgb", video, "--url", url, "--out")
    for name in ("found.json", "found.csv", "FOUND.VTT"):
        result = run_module(*words, tmp_path / name)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert json.loads((tmp_path / "found.json").read_text())["window_s"] == 1.0
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 3
    assert (tmp_path / "FOUND.VTT").read_text().startswith("WEBVTT\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FOUND.VTT", "found.csv", "found.json"]


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_sent(video: Path, tmp_path: Path) -> None:
    words = ("clients", "timeline", "--url", "http://127.0.0.1:9", "--rgb")
    assert_refused(run_module(*words, video, "--out", tmp_path / "found.txt"), "let it end in one of .json, .csv, .vtt")
    assert_refused(run_module(*words, video, "--out", tmp_path / "none" / "found.csv"), "there is no such folder")
    (tmp_path / "folder.csv").mkdir()
    assert_refused(run_module(*words, video, "--out", tmp_path / "folder.csv"), "is no file")
    recording = tmp_path / "recording.csv"
    recording.write_bytes(video.read_bytes())
    assert_refused(run_module(*words, recording, "--out", recording), "is the recording itself")
    assert recording.read_bytes() == video.read_bytes()


def test_a_refusal_leaves_what_was_there(url: str, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    out.write_text("mine")
    result = run_module("clients", "timeline", "--rgb", video, "--url", url, "--top-k", "0", "--out", out)
    assert result.returncode == 1 and "400 malformed_request" in result.stderr
    assert out.read_text() == "mine" and list(tmp_path.iterdir()) == [out]
