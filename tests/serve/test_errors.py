"""Every refusal: its status, its word for programs, and what it tells the person."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from benchmarks.support.tiny_bundle import make_bundle
from rgbd.types import Frame
from tests.support.commands import assert_refused, run_module
from tests.support.requests import post, refused
from tests.support.server import RunningServer
from tests.support.uploads import depth_frames, npz, rgb_frames, video, zipped


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def encoded(image: Frame, suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, image)[1])


def test_forms_that_are_not_complete(server: RunningServer) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
    assert "give depth, too, as a file of that name" in refused(post(server, rgb=files["rgb"]), 400, "missing_stream")
    assert "rgb and depth" in refused(httpx.post(server.url + "/predict"), 400, "missing_stream")
    assert "fps" in refused(post(server, meta={"fps": -1}, **files), 400, "malformed_meta")
    assert "speed" in refused(post(server, meta={"speed": 1}, **files), 400, "malformed_meta")
    assert "end_s 1.0 must lie behind" in refused(
        post(server, meta={"start_s": 2, "end_s": 1}, **files), 400, "malformed_meta"
    )
    assert "top_k" in refused(post(server, "/predict?top_k=none", **files), 400, "malformed_request")
    refused(httpx.get(server.url + "/predict"), 405, "method_not_allowed")
    refused(httpx.get(server.url + "/nowhere"), 404, "not_found")
    refused(post(server, "/predict?model=other", **files), 404, "unknown_model")


def test_bodies_that_are_none(server: RunningServer) -> None:
    def sent(path: str, content_type: str, content: bytes) -> str:
        response = httpx.post(server.url + path, content=content, headers={"Content-Type": content_type})
        return refused(response, 400, "malformed_request")

    form = "multipart/form-data"
    meta = b'--x\r\nContent-Disposition: form-data; name="meta"\r\n\r\n' + bytes(2 << 20) + b"\r\n--x--\r\n"
    assert "Missing boundary" in sent("/predict", form, b"")
    assert "maximum size of 1024KB" in sent("/predict", f"{form}; boundary=x", meta)
    assert "parsing the body" in sent("/v2/repository/index", "application/json", b"[" * 100_000)


@pytest.mark.parametrize("content", [b"", b"GIF89a, which no camera writes", b"\x89PNG\r\n\x1a\nrest"])
def test_uploads_that_are_no_clip(server: RunningServer, content: bytes) -> None:
    detail = refused(post(server, rgb=content, depth=npz(depth_frames())), 415, "unknown_container")
    assert detail.startswith("rgb (upload): is no mp4, mkv")


def test_files_that_are_damaged(server: RunningServer, tmp_path: Path) -> None:
    depth = npz(depth_frames())
    cut_video = video(tmp_path, rgb_frames(30), ".mp4")[:700]
    assert "rgb (upload): cannot be" in refused(post(server, rgb=cut_video, depth=depth), 422, "unusable_clip")
    png = zipped(tmp_path, depth_frames())
    assert "cannot be read" in refused(post(server, rgb=npz(rgb_frames()), depth=png[:400]), 422, "unusable_clip")
    whole = (tmp_path / "one.png").read_bytes()
    cut_png = archive(frame_png=whole[: len(whole) // 2])
    detail = refused(post(server, rgb=npz(rgb_frames()), depth=cut_png), 422, "unusable_clip")
    assert "frame.png: the image is truncated" in detail
    bytes_of_another = bytearray(archive(frame_png=whole))
    bytes_of_another[60:70] = bytes(10)
    detail = refused(post(server, rgb=npz(rgb_frames()), depth=bytes(bytes_of_another)), 422, "unusable_clip")
    assert "the archive cannot be read" in detail
    short = io.BytesIO()
    np.lib.format.write_array_header_1_0(short, {"descr": "<u2", "fortran_order": False, "shape": (2, 48, 64)})
    detail = refused(post(server, rgb=npz(rgb_frames()), depth=archive(a_npy=short.getvalue())), 422, "unusable_clip")
    assert "the array has fewer numbers than the uint16 [2, 48, 64] that it says" in detail


def test_archives_of_something_else(server: RunningServer) -> None:
    def reason(rgb: bytes) -> str:
        return refused(post(server, rgb=rgb, depth=npz(depth_frames())), 422, "unusable_clip")

    assert "'notes.txt'" in reason(archive(notes_txt=b"hello"))
    assert "holds nothing" in reason(archive(_DS_Store=b"hello"))
    assert "1.png: not a readable JPEG or PNG" in reason(archive(**{"1_png": encoded(rgb_frames()[0], ".bmp")}))
    mixed = {"1_png": encoded(rgb_frames()[0], ".png"), "2_png": encoded(depth_frames()[0], ".png")}
    assert "mixes frames" in reason(archive(**mixed))
    assert "uint8 [2, 4, 4]" in reason(npz([np.zeros((4, 4), np.uint8)] * 2))
    assert "holds 16-bit depth" in reason(npz(depth_frames()))
    objects = io.BytesIO()
    np.savez(objects, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    assert "object" in reason(objects.getvalue())


def test_a_rate_is_needed_to_cut(server: RunningServer) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
    assert "fps" in refused(post(server, meta={"fps": 1e-9, "start_s": 1}, **files), 400, "malformed_meta")
    assert "give fps" in refused(post(server, meta={"start_s": 1}, **files), 422, "unusable_clip")
    assert "lasts 1.20 s" in refused(post(server, meta={"start_s": 9, "fps": 10}, **files), 422, "unusable_clip")


def test_uploads_that_are_too_large(server: RunningServer) -> None:
    depth = npz(depth_frames())
    noise = np.random.default_rng(0).bytes(9 << 20)
    assert "larger than 8 MiB" in refused(post(server, rgb=noise, depth=depth), 413, "too_large")
    many = npz([np.zeros((8, 8, 3), np.uint8)] * 61)
    assert "more than 60 frames" in refused(post(server, rgb=many, depth=depth), 413, "too_large")
    huge = npz([np.zeros((5000, 5000, 3), np.uint8)])
    assert "frames of 5000x5000" in refused(post(server, rgb=huge, depth=depth), 413, "too_large")
    for suffix in (".png", ".jpg"):
        picture = archive(frame_png=encoded(np.zeros((5001, 5000, 3), np.uint8), suffix))
        assert "frames of 5000x5001" in refused(post(server, rgb=picture, depth=depth), 413, "too_large")
    bomb = archive(frame_png=bytes(70 << 20))
    assert len(bomb) < 1 << 20
    assert "70 MiB" in refused(post(server, rgb=bomb, depth=depth), 413, "too_large")


def test_recordings_that_go_on_for_too_long(server: RunningServer) -> None:
    answer = post(server, rgb=npz(rgb_frames()), depth=npz(depth_frames()), meta={"fps": 0.01})
    assert "rgb (upload): lasts 1200 s; the service takes 600 s" in refused(answer, 413, "too_large")


def test_a_body_without_a_length_is_counted(server: RunningServer) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="rgb"; filename="endless"\r\n\r\n'
        for _ in range(20):
            yield bytes(1 << 20)

    content_type = {"Content-Type": "multipart/form-data; boundary=x"}
    response = httpx.post(server.url + "/predict", content=chunks(), headers=content_type)
    refused(response, 413, "too_large")


def test_a_bundle_that_cannot_be_served_ends_the_command(tmp_path: Path, server: RunningServer) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "model.onnx").write_bytes(b"changed")
    port = server.url.rsplit(":", 1)[1]
    good = make_bundle(tmp_path / "good")
    assert_refused(run_module("serve", "--bundle", bundle), "model.onnx: does not match the hash")
    assert_refused(run_module("serve", "--bundle", tmp_path / "nowhere"), "nowhere: cannot be read")
    assert_refused(run_module("serve", "--bundle", good, "--port", port), "choose another --port")
    assert run_module("serve", "check", "--bundle", good, "--port", port).returncode == 0  # beside the one at work
    assert_refused(run_module("serve", "--bundle", good, "--device", "cuda"), "CUDAExecutionProvider")
    assert_refused(run_module("serve", "--bundle", good, RGBD_MOTION_MAX_FRAMES="many"), "max_frames: Input should be")
