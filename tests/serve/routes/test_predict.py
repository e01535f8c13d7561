"""Every kind of upload through a real server, and its answer against the transform and the graph called directly."""

import io
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import OpenEXR
import pytest
import tifffile

from benchmarks.support.tiny_bundle import LABELS, SPEC, expected_scores, image_spec, make_bundle
from rgbd.clip.sampling import bin_centres
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame
from tests.support.requests import post, scores
from tests.support.server import RunningServer, running_server
from tests.support.uploads import NUM_FRAMES, depth_frames, npz, rgb_frames, video, zipped


@pytest.mark.parametrize("rgb_kind", [".mp4", ".mkv", ".avi", "jpeg", "png", "npz"])
@pytest.mark.parametrize("depth_kind", [".mkv", ".avi", "png", "npz"])
def test_every_container_gives_the_same_answer(
    server: RunningServer, tmp_path: Path, rgb_kind: str, depth_kind: str
) -> None:
    def pack(frames: list[Frame], kind: str) -> bytes:
        if kind == "npz":
            return npz(frames)
        return video(tmp_path, frames, kind) if kind.startswith(".") else zipped(tmp_path, frames, f".{kind}")

    response = post(server, rgb=pack(rgb_frames(), rgb_kind), depth=pack(depth_frames(), depth_kind))
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames(), depth_frames())
    lossless = rgb_kind in ("png", "npz")
    assert scores(response) == pytest.approx(wanted, abs=1e-6 if lossless else 0.03)


@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("libvpx-vp9", ".webm")])
def test_what_phones_and_browsers_record(server: RunningServer, tmp_path: Path, codec: str, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    with av.open(str(path), "w") as container:
        track = container.add_stream(codec, rate=30)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for frame in rgb_frames():
            container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(track.encode())
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames(), depth_frames())
    response = post(server, rgb=path.read_bytes(), depth=npz(depth_frames()))
    assert scores(response) == pytest.approx(wanted, abs=0.03)
    assert response.json()["clip"]["rgb_frames"] == NUM_FRAMES


def test_the_answer_is_complete(server: RunningServer) -> None:
    url = server.url + "/predict?top_k=2"
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames(20))}
    response = httpx.post(url, files=files, data={"meta": '{"fps": 10}'}, headers={"X-Request-ID": "mine-1"})
    answer = response.json()
    assert response.headers["X-Request-ID"] == answer["request_id"] == "mine-1"
    assert answer["model"] == {
        "name": "tiny",
        "version": "1",
        "modality": "rgbd",
        "runtime": "onnxruntime",
        "device": "cpu",
        "precision": "fp32",
    }
    assert len(answer["predictions"]) == len(answer["streams"]["rgb"]) == len(answer["streams"]["depth"]) == 2
    best, second = answer["predictions"]
    assert best["score"] >= second["score"] > 0
    assert best["label"] == LABELS[best["index"]]
    clip = {"rgb_frames": 12, "depth_frames": 12, "sampled": 4, "duration_s": 1.2, "aligned_by": "time"}
    preparation = answer["clip"].pop("preparation")
    assert answer["clip"] == clip and answer["people"] == []
    assert preparation.pop("frame_size") == [64, 48]
    assert (preparation.pop("was_prepared"), preparation.pop("decided_by")) == (True, "bundle")
    assert set(preparation.values()) == {None}
    assert answer["timing_ms"].keys() == {"decode", "preprocess", "queue", "inference", "total"}
    assert answer["timing_ms"]["total"] > answer["timing_ms"]["decode"] > 0
    assert answer["windows"] == []
    assert answer["warnings"] == ["8 depth frames were left out: the other stream shows nothing of that time"]


def test_one_matroska_file_carries_both_streams(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "both.mkv"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("ffv1", rate=30) for _ in range(2)]
        for track, pixels in zip(tracks, ("bgr0", "gray16le"), strict=True):
            track.width, track.height, track.pix_fmt = 64, 48, pixels
        for frames in zip(rgb_frames(), depth_frames(), strict=True):
            for track, frame, given in zip(tracks, frames, ("rgb24", "gray16le"), strict=True):
                container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format=given)))
        for track in tracks:
            container.mux(track.encode())
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames(), depth_frames())
    assert scores(post(server, rgb=path.read_bytes())) == pytest.approx(wanted, abs=1e-6)


def test_depth_is_scaled_to_millimetres(server: RunningServer, tmp_path: Path) -> None:
    stretched = [np.asarray(frame * np.uint16(4), np.uint16) for frame in depth_frames()]
    response = post(server, rgb=npz(rgb_frames()), depth=npz(stretched), meta={"depth_scale_mm": 0.25})
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames(), depth_frames())
    assert scores(response) == pytest.approx(wanted, abs=1e-6)


def test_depth_in_metres_needs_no_scale_and_contradicts_another(server: RunningServer, tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.stack(depth_frames()) / np.float32(1000))
    rgb, metres = npz(rgb_frames()), file.getvalue()
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames(), depth_frames())
    assert scores(post(server, rgb=rgb, depth=metres)) == pytest.approx(wanted, abs=1e-6)
    answer = post(server, rgb=rgb, depth=metres, meta={"depth_scale_mm": 1000})
    assert answer.status_code == 422 and "depth_scale_mm 1000 contradicts the file" in answer.json()["detail"]
    assert post(server, "/preview", rgb=rgb, depth=metres).status_code == 200


def test_a_frame_that_cannot_be_used_is_named_without_the_folder_that_uploads_lie_in(server: RunningServer) -> None:
    file = io.BytesIO()
    np.save(file, np.stack(depth_frames()).astype(np.float32))
    answer = post(server, rgb=npz(rgb_frames()), depth=file.getvalue())
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("depth (upload), frame 2: floating-point depth is read as metres")


def as_exr(folder: Path, frames: list[Frame]) -> bytes:
    buffer = io.BytesIO()
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with zipfile.ZipFile(buffer, "w") as archive:
        for index, frame in enumerate(frames):
            OpenEXR.File(header, {"Z": frame / np.float32(1000)}).write(str(folder / "one.exr"))
            archive.write(folder / "one.exr", f"{index}.exr")
    return buffer.getvalue()


def as_pages(_: Path, frames: list[Frame]) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.stack(frames))
    return buffer.getvalue()


def as_npy(_: Path, frames: list[Frame]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.stack(frames))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "as_depth",
    [as_exr, as_pages, as_npy, partial(zipped, suffix=".tiff"), partial(zipped, suffix=".pgm")],
    ids=["exr", "pages", "npy", "tiff", "pgm"],
)
def test_images_and_arrays_give_the_same_answer(
    server: RunningServer, tmp_path: Path, as_depth: Callable[[Path, list[Frame]], bytes]
) -> None:
    response = post(server, rgb=as_npy(tmp_path, rgb_frames()), depth=as_depth(tmp_path, depth_frames()))
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames(), depth_frames())
    assert scores(response) == pytest.approx(wanted, abs=1e-6)
    assert response.json()["warnings"] == []


def test_a_part_of_the_clip_is_cut_out(server: RunningServer, tmp_path: Path) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
    response = post(server, meta={"fps": 10, "start_s": 0.2, "end_s": 0.9}, **files)
    wanted = expected_scores(make_bundle(tmp_path / "bundle"), rgb_frames()[2:9], depth_frames()[2:9])
    assert scores(response) == pytest.approx(wanted, abs=1e-6)
    clip = {"rgb_frames": 7, "depth_frames": 7, "sampled": 4, "duration_s": 0.7, "aligned_by": "time"}
    assert response.json()["clip"] | clip == response.json()["clip"]
    short = post(server, meta={"fps": 10, "start_s": 1.0}, **files).json()
    assert short["warnings"] == [
        f"{stream} has 2 frames, fewer than the 4 that the model looks at; some were repeated"
        for stream in ("rgb", "depth")
    ]


def test_depth_as_images_needs_a_model_of_such_depth(server: RunningServer, tmp_path: Path) -> None:
    refused = post(server, rgb=npz(rgb_frames()), depth=npz(rgb_frames()))
    assert refused.status_code == 422
    assert "8-bit images, but this model needs distances" in refused.json()["detail"]
    with running_server(make_bundle(tmp_path / "bundle", "depth", spec=image_spec())) as images:
        assert scores(post(images, depth=npz(rgb_frames())))[0] > 0.5  # red, as the frames are
        measured = post(images, depth=npz(depth_frames()))
        assert measured.status_code == 422
        assert "trained on 8-bit depth images" in measured.json()["detail"]


def test_previews_show_both_streams(server: RunningServer, tmp_path: Path) -> None:
    write_video(tmp_path / "wide.mkv", [np.full((90, 640), 2000 + i, np.uint16) for i in range(50)])
    wide = (tmp_path / "wide.mkv").read_bytes()
    both = post(server, "/preview", rgb=npz(rgb_frames()), depth=wide).json()
    assert (both["rgb"]["num_frames"], len(both["rgb"]["frames"])) == (NUM_FRAMES, NUM_FRAMES)
    assert both["rgb"]["sampled"] == both["depth"]["sampled"] == [1, 4, 7, 10]
    response = post(server, "/preview", depth=wide)
    answer = response.json()
    assert response.status_code == 200
    assert answer["rgb"] is None
    assert (answer["depth"]["num_frames"], len(answer["depth"]["frames"])) == (50, 40)
    assert answer["depth"]["sampled"] == bin_centres(50, 4).tolist()
    assert 2000 <= answer["depth"]["near_mm"] < answer["depth"]["far_mm"] <= 2050
    assert answer["depth"]["fps"] == pytest.approx(30, abs=0.1)
    assert all(frame.startswith("data:image/jpeg;base64,") for frame in answer["depth"]["frames"])


def test_the_service_describes_itself(server: RunningServer) -> None:
    def get(path: str) -> httpx.Response:
        return httpx.get(server.url + path)

    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    assert [model["name"] for model in get("/v2/models").json()["models"]] == ["tiny"]
    details = get("/v2/models/tiny").json()
    assert details["labels"] == list(LABELS)
    assert details["clip_spec"]["num_frames"] == SPEC.num_frames
    assert "/predict" in get("/openapi.json").json()["paths"]
    assert get("/docs").status_code == 200
    assert "text/html" in get("/").headers["content-type"]


def test_a_motion_that_was_not_learnt_is_unknown(tmp_path: Path) -> None:
    files = {"rgb": ("rgb.npz", npz(rgb_frames())), "depth": ("depth.npz", npz(depth_frames()))}
    for name, familiar in (("strange", (900.0, 1000.0)), ("usual", (0.0, 1.0)), ("never-fitted", None)):
        make_bundle(tmp_path / name / "1", familiar=familiar)
    with running_server(models=tmp_path) as server:

        def ask(model: str, **query: Any) -> Any:
            return httpx.post(
                f"{server.url}/predict", params={"model": model, "windows": 2, **query}, files=files, timeout=60
            )

        strange, usual, never_fitted = (ask(model).json() for model in ("strange", "usual", "never-fitted"))
        assert strange["predictions"] == usual["predictions"] == never_fitted["predictions"]
        for answer, known, confidence in ((strange, False, 0.0), (usual, True, 1.0), (never_fitted, None, None)):
            for named in (answer, *answer["windows"]):
                assert (named["known"], named["confidence"]) == (known, confidence)
        for wrong in ("0.4", "1", "nan", "most"):
            refused = ask("usual", accepted=wrong)
            assert (refused.status_code, refused.json()["error"]) == (400, "malformed_request"), refused.text
            assert "accepted" in refused.json()["detail"]
