"""Clips as they come: at uneven rates, from two cameras that are not in step, on their side, long, or of one stream."""

from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import httpx
import numpy as np
import pytest

from benchmarks.support.tiny_bundle import expected_scores, make_bundle
from tests.support.requests import post, refused, scores
from tests.support.server import RunningServer, running_server
from tests.support.uploads import at_rate, depth_frames, npz, rgb_frames, timed_video, zipped

RED = np.full((48, 64, 3), (250, 20, 20), np.uint8)
GREEN = np.full((48, 64, 3), (20, 250, 20), np.uint8)
BLUE = np.full((48, 64, 3), (20, 20, 250), np.uint8)


@pytest.fixture(scope="module")
def color(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle"), "rgb")) as running:
        yield running


def test_frames_are_sampled_evenly_in_time(color: RunningServer, tmp_path: Path) -> None:
    # One second of red in ten frames, then three of green in three: three quarters of the time are green.
    frames = [*at_rate([RED] * 10, 10), *at_rate([GREEN] * 3, 1, start_s=1.0)]
    answer = post(color, rgb=timed_video(tmp_path / "clip.mkv", frames)).json()
    even = post(color, rgb=npz([RED, GREEN, GREEN, GREEN])).json()
    assert answer["predictions"] == even["predictions"]
    assert answer["clip"]["rgb_frames"] == 13


def test_two_rates_are_brought_together_by_time(server: RunningServer, tmp_path: Path) -> None:
    rgb, depth = rgb_frames(12), depth_frames(12)
    slow = timed_video(tmp_path / "depth.mkv", at_rate(depth[::2], 15))
    fast = timed_video(tmp_path / "rgb.mkv", at_rate(rgb, 30))
    response = post(server, rgb=fast, depth=slow)
    # The frames 1, 4, 7 and 10 of colour go with those of depth that were taken nearest to them.
    beside = [depth[index] for index in (0, 0, 0, 4, 4, 4, 6, 6, 6, 10, 10, 10)]
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb, beside)
    assert scores(response) == pytest.approx(wanted, abs=1e-6)
    clip = response.json()["clip"]
    assert (clip["rgb_frames"], clip["depth_frames"], clip["aligned_by"]) == (12, 6, "time")
    assert response.json()["warnings"] == []
    # Archives know no times, but whoever sends them may.
    told = post(server, rgb=npz(rgb), depth=npz(depth[::2]), meta={"fps": 30, "depth_fps": 15})
    assert scores(told) == pytest.approx(wanted, abs=1e-6)
    # A file that knows its own is believed.
    half_told = post(server, rgb=fast, depth=npz(depth[::2]), meta={"fps": 15})
    assert scores(half_told) == pytest.approx(wanted, abs=1e-6)
    assert half_told.json()["clip"] == clip


def test_without_times_frames_of_the_same_number_belong_together(server: RunningServer, tmp_path: Path) -> None:
    response = post(server, rgb=npz(rgb_frames(12)), depth=npz(depth_frames(9)))
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames(9), depth_frames(9))
    assert scores(response) == pytest.approx(wanted, abs=1e-6)
    answer = response.json()
    assert answer["clip"]["aligned_by"] == "index"
    assert answer["clip"]["duration_s"] is None
    assert answer["warnings"] == [
        "3 rgb frames were left out: no times are known, so frames of the same number were taken together; where "
        "the rates differ, give fps and depth_fps"
    ]


def test_tracks_of_one_file_share_its_clock(server: RunningServer, tmp_path: Path) -> None:
    # Depth begins a tenth of a second, three frames, later.
    late = timed_video(tmp_path / "both.mkv", at_rate(rgb_frames(12), 30), at_rate(depth_frames(9), 30, start_s=0.1))
    response = post(server, rgb=late)
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames(12)[3:], depth_frames(9))
    assert scores(response) == pytest.approx(wanted, abs=1e-6)
    assert "3 rgb frames were left out" in response.json()["warnings"][0]
    previews = post(server, "/preview", rgb=late).json()
    assert previews["rgb"]["num_frames"] == previews["depth"]["num_frames"] == 9
    apart = timed_video(tmp_path / "apart.mkv", at_rate(rgb_frames(6), 30), at_rate(depth_frames(6), 30, start_s=9))
    assert "share no time" in refused(post(server, rgb=apart), 422, "unusable_clip")


def test_a_phone_held_upright(color: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    beside = np.concatenate([RED[:, :32], BLUE[:, :32]], 1)
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=30)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        track.set_display_rotation(90)  # the left half is shown below
        for _ in range(8):
            container.mux(track.encode(av.VideoFrame.from_ndarray(beside, format="rgb24")))
        container.mux(track.encode())
    content = path.read_bytes()
    picture = post(color, "/preview", rgb=content).json()["rgb"]["frames"][0]
    shown = cv2.imdecode(np.frombuffer(b64decode(picture.split(",")[1]), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert shown.shape == (64, 48, 3)
    assert shown[:16].mean((0, 1)) == pytest.approx(BLUE[0, 0], abs=8)
    assert shown[-16:].mean((0, 1)) == pytest.approx(RED[0, 0], abs=8)
    upright = np.ascontiguousarray(np.rot90(beside))
    assert scores(post(color, rgb=content)) == pytest.approx(scores(post(color, rgb=npz([upright] * 8))), abs=0.03)


def test_a_long_clip_in_windows(color: RunningServer) -> None:
    clip = npz([RED] * 10 + [GREEN] * 10 + [BLUE] * 10)

    def ask(windows: int, **meta: float) -> httpx.Response:
        url = f"{color.url}/predict?windows={windows}&top_k=1"
        return httpx.post(url, files={"rgb": clip}, data={"meta": str(meta).replace("'", '"')}, timeout=60)

    answer = ask(3, fps=10).json()
    assert [window["predictions"][0]["label"] for window in answer["windows"]] == ["red", "green", "blue"]
    assert [(window["start"], window["end"]) for window in answer["windows"]] == [(0, 1), (1, 2), (2, 3)]
    assert [round(window["end"]) for window in ask(3).json()["windows"]] == [10, 20, 30]
    means = [window["predictions"][0]["score"] for window in answer["windows"]]
    assert answer["predictions"][0]["score"] == pytest.approx(np.mean([means[0], 1 - means[1], 0]), abs=0.34)
    assert ask(1).json()["windows"] == []
    refused(ask(17), 400, "malformed_request")
    assert len(ask(16, start_s=0, end_s=0.1, fps=10).json()["windows"]) == 16  # of one frame


def test_a_window_is_where_its_times_say(color: RunningServer, tmp_path: Path) -> None:
    # The clock of the file begins at 5 s.
    late = timed_video(tmp_path / "late.mkv", at_rate([RED] * 6 + [GREEN] * 6, 30, start_s=5.0))
    answer = httpx.post(f"{color.url}/predict?windows=2", files={"rgb": late}, timeout=60).json()
    edges = [edge for window in answer["windows"] for edge in (window["start"], window["end"])]
    assert edges == pytest.approx([0, 0.2, 0.2, 0.4], abs=0.001)
    second = answer["windows"][1]
    alone = post(color, rgb=late, meta={"start_s": second["start"], "end_s": second["end"]}).json()
    assert alone["predictions"] == second["predictions"]
    assert alone["predictions"][0]["label"] == "green"


def test_a_mixture_of_depth_and_images_is_no_stream(server: RunningServer, tmp_path: Path) -> None:
    for frames in ([*depth_frames(6), *rgb_frames(6)], [*rgb_frames(6), *depth_frames(6)]):
        files = {"rgb": npz(rgb_frames()), "depth": zipped(tmp_path, frames)}
        for path in ("/predict", "/preview"):
            assert "mixes frames of 16-bit depth" in refused(post(server, path, **files), 422, "unusable_clip")


def test_one_stream_alone_where_the_bundle_allows_it(server: RunningServer, tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path / "bundle", alone={"rgb": 0.75})) as lenient:
        answer = post(lenient, rgb=npz(rgb_frames())).json()
        both = post(lenient, rgb=npz(rgb_frames()), depth=npz(depth_frames())).json()
        assert answer["predictions"] == answer["streams"]["rgb"] == both["streams"]["rgb"]
        assert answer["streams"]["depth"] == []
        assert answer["clip"]["depth_frames"] is None
        assert answer["warnings"] == [
            "depth is missing: this is what the rgb stream says alone, which was right for 75.0% of the clips that "
            "the model was tried with"
        ]
        assert "give rgb, too, as a file of that name" in refused(
            post(lenient, depth=npz(depth_frames())), 400, "missing_stream"
        )
    refused(post(server, rgb=npz(rgb_frames())), 400, "missing_stream")


def test_an_answer_is_explained_by_what_it_rests_on(color: RunningServer) -> None:
    corner = np.zeros((48, 64, 3), np.uint8)
    corner[8:24, 16:32] = (0, 250, 0)  # the upper left quarter of what the network sees, 32x32 in the middle
    frames = [corner if index >= 8 else corner // 2 for index in range(16)]
    answer = post(color, "/explain", rgb=npz(frames)).json()
    assert answer["label"] == "green" and answer["score"] > 0.5 and answer["lead"] > 0
    assert answer["box"] == [0.25, 8 / 48, 0.75, 40 / 48]
    regions, moments = np.array(answer["regions"]), np.array(answer["moments"])
    assert regions.shape == (6, 6) and moments.shape == (8,)
    assert regions[:2, :2].min() > 10 * max(0.0, regions[4:, 4:].max())
    assert moments[4] > 0 >= moments[3]  # at half past, green grows stronger: without that moment there is less of it
    other = httpx.post(f"{color.url}/explain?index=2", files={"rgb": npz(frames)}, timeout=60).json()
    assert other["label"] == "blue" and other["lead"] < 0
    wrong = httpx.post(f"{color.url}/explain?index=3", files={"rgb": npz(frames)}, timeout=60)
    assert "classes 0 to 2" in refused(wrong, 400, "unknown_class")
