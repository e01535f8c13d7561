"""`POST /timeline` through a real server: the same as in process, in three forms, and what is refused."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from benchmarks.support.tiny_bundle import RAW, SPEC, make_bundle
from export import load_model
from export.predictor.decoded_clip import TogetherChoice
from export.predictor.predictor import Predictor
from export.predictor.streams.formats import as_csv, as_json, as_webvtt
from export.predictor.streams.timeline import Timeline
from tests.support.live import talking
from tests.support.long_recordings import FPS, GREEN, RED, coloured, lasting_a_second, long_video
from tests.support.raw_clips import seen, write_raw
from tests.support.requests import metrics_of, post, refused
from tests.support.server import RunningServer, running_server
from tests.support.uploads import at_rate, depth_frames, timed_video, zip_folder, zipped
from tests.support.videos import damaged, xvid_with_b_frames
from tests.support.waiting import wait_until

_PEOPLE_SPEC = SPEC.model_copy(update={"resize": (320, 240), "crop": (224, 224)})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lasting_a_second(tmp_path_factory.mktemp("model"), "rgb")


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[RunningServer]:
    with running_server(bundle, max_live=2) as running:
        yield running


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return load_model(bundle)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_video(tmp_path_factory.mktemp("recording") / "long.mkv")


def asked(server: RunningServer, video: Path, query: str = "", meta: object = None) -> httpx.Response:
    return post(server, f"/timeline?{query}", meta, rgb=video.read_bytes())


def answer(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def assert_same(found: dict[str, Any], expected: Timeline) -> None:
    """Check that an answer over HTTP is one in process."""
    in_process = json.loads(as_json(expected))
    assert found.keys() == {"request_id", "model", *in_process}
    for many in ("events", "windows"):
        assert [numbers(item) for item in found.pop(many)] == [
            pytest.approx(numbers(item), abs=1e-6) for item in in_process.pop(many)
        ]
    assert {name: found[name] for name in in_process} == in_process


def numbers(item: dict[str, Any]) -> dict[str, Any]:
    """Return an event or a window without lists in it."""
    scores = item.pop("predictions", [])
    return item | {f"{place} {name}": value for place, score in enumerate(scores) for name, value in score.items()}


def test_the_answer_is_that_of_the_predictor(server: RunningServer, predictor: Predictor, video: Path) -> None:
    found = answer(asked(server, video, "top_k=2"))
    assert [event["label"] for event in found["events"]] == ["red", "green"]
    assert (found["duration_s"], found["window_s"], found["model"]["name"]) == (11.0, 1.0, "tiny")
    assert_same(found, predictor.timeline(video, top_k=2))


def test_a_part_by_other_windows(server: RunningServer, predictor: Predictor, video: Path) -> None:
    found = answer(asked(server, video, "window_s=0.5&accepted=0.9", {"start_s": 6, "end_s": 10}))
    assert found["windows"][0]["start"] == 6.0 and found["duration_s"] == 4.0
    assert_same(found, predictor.timeline(video, window_s=0.5, start_s=6, end_s=10, accepted=0.9))


def test_both_streams_go_on_together(tmp_path: Path) -> None:
    bundle = lasting_a_second(tmp_path / "model", "rgbd", alone={"rgb": 0.75})
    frames = coloured((RED, 2), (GREEN, 2))
    timed_video(tmp_path / "both.mkv", at_rate(frames, FPS), at_rate(depth_frames(len(frames)), FPS))
    timed_video(tmp_path / "rgb.mkv", at_rate(frames, FPS))
    with running_server(bundle) as server:
        for path in (tmp_path / "both.mkv", tmp_path / "rgb.mkv"):
            assert_same(answer(asked(server, path)), load_model(bundle).timeline(path))


@pytest.mark.parametrize("people", ["largest", "all"])
def test_it_is_about_whom_it_is_asked_for(tmp_path: Path, people: TogetherChoice) -> None:
    bundle = lasting_a_second(tmp_path / "model", spec=_PEOPLE_SPEC, preparation=RAW)
    given = write_raw(tmp_path / "raw", seen(-0.8, 0.7))
    files = {"rgb": given["rgb"].read_bytes(), "depth": zip_folder(given["depth"])}
    with running_server(bundle) as server:
        found = answer(post(server, f"/timeline?people={people}", {"depth_fps": 30, "fps": 30}, **files))
    expected = load_model(bundle).timeline(**given, people=people, depth_fps=30, fps=30)
    assert found["person"] == expected.person == {"largest": 1, "all": None}[people]
    found.pop("warnings")  # which name the files
    assert_same(found | {"warnings": list(expected.warnings)}, expected)


def test_a_video_that_is_counted_wrongly_is_read_again(
    server: RunningServer, predictor: Predictor, tmp_path: Path
) -> None:
    path = xvid_with_b_frames(tmp_path)
    path.write_bytes(dict(damaged(path.read_bytes()))["2000 zeros at 50%"])
    found, expected = answer(asked(server, path)), predictor.timeline(path)
    assert "rgb (upload): " in found["warnings"][0]
    assert_same(found | {"warnings": list(expected.warnings)}, expected)


def test_events_as_a_table_and_as_subtitles(server: RunningServer, predictor: Predictor, video: Path) -> None:
    expected = predictor.timeline(video)
    for name, write, media_type in (("csv", as_csv, "text/csv"), ("vtt", as_webvtt, "text/vtt")):
        response = asked(server, video, f"format={name}")
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert response.text == write(expected)
    assert asked(server, video, "format=json").headers["content-type"] == "application/json"


def test_a_recording_that_was_kept(server: RunningServer, video: Path) -> None:
    name = post(server, "/recordings", rgb=video.read_bytes()).json()["recording"]
    response = httpx.post(server.url + "/timeline", files=[("recording", (None, name))], timeout=60)
    assert [event["label"] for event in answer(response)["events"]] == ["red", "green"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("windows=8", "'windows': no parameter of this address is called so; did you mean ?window_s=?"),
        ("format=srt", "format"),
        ("people=each", "people"),
        ("top_k=0", "top_k"),
        ("accepted=2", "accepted"),
        ("window_s=0", "window_s"),
        ("window_s=nan", "window_s"),
        ("window_s=0.001", "window_s 0.001: give at least 0.004 and at most 600 seconds"),
    ],
)
def test_what_makes_no_sense_is_named(server: RunningServer, video: Path, query: str, reason: str) -> None:
    assert reason in refused(asked(server, video, query), 400, "malformed_request")


def test_how_long_windows_are_must_be_known(tmp_path: Path, video: Path) -> None:
    with running_server(make_bundle(tmp_path / "model", "rgb")) as server:
        assert "give window_s" in refused(asked(server, video), 400, "malformed_request")
        assert answer(asked(server, video, "window_s=1"))["window_s"] == 1.0


def test_what_is_wrong_with_a_recording_is_named(server: RunningServer, video: Path, tmp_path: Path) -> None:
    frames = zipped(tmp_path, coloured((RED, 1)))
    assert "give fps" in refused(post(server, "/timeline", rgb=frames), 422, "unusable_clip")
    assert answer(post(server, "/timeline", {"fps": 10}, rgb=frames))["duration_s"] == 2.0
    assert "lasts 11.00 s" in refused(asked(server, video, meta={"start_s": 30}), 422, "unusable_clip")
    refused(post(server, "/timeline", rgb=b"nonsense"), 415, "unknown_container")
    refused(post(server, "/timeline"), 400, "missing_stream")
    refused(asked(server, video, "model=other"), 404, "unknown_model")


def stream_process(server: RunningServer, video: Path) -> psutil.Process:
    """Return the process in which the next time line will be read, stopped."""
    answer(asked(server, video))
    (_, *others) = sorted(
        (
            child
            for child in psutil.Process(server.process.pid).children()
            if any("spawn_main" in word for word in child.cmdline())
        ),
        key=psutil.Process.create_time,
    )
    others[-1].suspend()
    return others[-1]


@contextmanager
def at_work(server: RunningServer, video: Path) -> Iterator[tuple[psutil.Process, Future[httpx.Response]]]:
    """Yield a process, stopped in the middle of a request, and the answer to come."""
    process = stream_process(server, video)
    with ThreadPoolExecutor() as threads:
        coming = threads.submit(asked, server, video)
        wait_until(lambda: metrics_of(server)["rgbd_motion_live_streams",] == 1)
        yield process, coming


@pytest.mark.parametrize(
    ("number", "status", "word"), [(signal.SIGKILL, 503, "decoder_killed"), (signal.SIGSEGV, 422, "decoder_crashed")]
)
def test_a_process_that_dies_costs_its_own_request(
    bundle: Path, video: Path, number: int, status: int, word: str
) -> None:
    with running_server(bundle) as server:
        with at_work(server, video) as (process, coming):
            assert answer(asked(server, video))["events"]  # in another one
            process.send_signal(number)
            with suppress(psutil.NoSuchProcess):
                process.resume()
            refused(coming.result(), status, word)
        assert answer(asked(server, video))["events"]
        assert metrics_of(server)["rgbd_motion_live_streams",] == 0


def test_a_request_ends_at_its_deadline_and_with_its_client(bundle: Path, video: Path) -> None:
    with running_server(bundle, max_live=1) as server:
        url, files = server.url + "/timeline", {"rgb": video.read_bytes()}
        stream_process(server, video)
        response = httpx.post(url, files=files, headers={"X-Request-Timeout": "1"}, timeout=60)
        refused(response, 504, "deadline")
        stream_process(server, video)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, files=files, timeout=1)
        wait_until(lambda: metrics_of(server)["rgbd_motion_live_streams",] == 0)
        assert answer(asked(server, video))["events"]  # in another process: the stopped ones are gone
        assert len(psutil.Process(server.process.pid).children()) <= 3


def test_it_takes_a_place_as_a_live_stream_does(server: RunningServer, video: Path) -> None:
    with talking(server) as first, talking(server) as second:
        assert first.hello("rgb")["type"] == second.hello("rgb")["type"] == "ready"
        assert "places for live streams" in refused(asked(server, video), 429, "too_many_streams")
    wait_until(lambda: metrics_of(server)["rgbd_motion_live_streams",] == 0)
    assert answer(asked(server, video))["events"]
    assert metrics_of(server)["rgbd_motion_stage_seconds_count", "tiny", "total"] >= 1
