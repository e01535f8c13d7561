"""Every refusal: its status, its word for programs, and what it tells the person."""

import asyncio
import io
import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.commands import assert_refused, run_module
from tests.serve.conftest import depth_frames, npz, rgb_frames, video, zipped
from tests.serve.server import RunningServer, running_server
from tests.serve.test_predict import post, scores
from tests.serve.tiny_bundle import make_bundle


def refused(response: httpx.Response, status: int, error: str) -> str:
    """Return the detail of a problem after checking all else of it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["error"] == error
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert "/tmp" not in problem["detail"]
    return str(problem["detail"])


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def test_forms_that_are_not_complete(server: RunningServer) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
    assert "send depth as a file" in refused(post(server, rgb=files["rgb"]), 400, "missing_stream")
    assert "rgb and depth" in refused(httpx.post(server.url + "/predict"), 400, "missing_stream")
    assert "fps" in refused(post(server, meta={"fps": -1}, **files), 400, "malformed_meta")
    assert "speed" in refused(post(server, meta={"speed": 1}, **files), 400, "malformed_meta")
    assert "end_s 1.0 must lie behind" in refused(
        post(server, meta={"start_s": 2, "end_s": 1}, **files), 400, "malformed_meta"
    )
    assert "top_k" in refused(post(server, "/predict?top_k=none", **files), 400, "malformed_request")
    refused(httpx.get(server.url + "/predict"), 405, "method_not_allowed")
    refused(httpx.get(server.url + "/nowhere"), 404, "not_found")
    refused(httpx.get(server.url + "/v2/models/other"), 404, "unknown_model")


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


def test_archives_of_something_else(server: RunningServer) -> None:
    def reason(rgb: bytes) -> str:
        return refused(post(server, rgb=rgb, depth=npz(depth_frames())), 422, "unusable_clip")

    assert "'notes.txt'" in reason(archive(notes_txt=b"hello"))
    assert "holds nothing" in reason(archive(_DS_Store=b"hello"))
    assert "uint8 [2, 4, 4]" in reason(npz([np.zeros((4, 4), np.uint8)] * 2))
    assert "holds 16-bit depth" in reason(npz(depth_frames()))
    objects = io.BytesIO()
    np.savez(objects, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    assert "object" in reason(objects.getvalue())


def test_a_rate_is_needed_to_cut(server: RunningServer) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
    assert "send fps" in refused(post(server, meta={"start_s": 1}, **files), 422, "unusable_clip")
    assert "lasts 1.20 s" in refused(post(server, meta={"start_s": 9, "fps": 10}, **files), 422, "unusable_clip")


def test_uploads_that_are_too_large(server: RunningServer) -> None:
    depth = npz(depth_frames())
    noise = np.random.default_rng(0).bytes(9 << 20)
    assert "larger than 8 MiB" in refused(post(server, rgb=noise, depth=depth), 413, "too_large")
    many = npz([np.zeros((8, 8, 3), np.uint8)] * 61)
    assert "more than 60 frames" in refused(post(server, rgb=many, depth=depth), 413, "too_large")
    huge = npz([np.zeros((5000, 5000, 3), np.uint8)])
    assert "frames of 5000x5000" in refused(post(server, rgb=huge, depth=depth), 413, "too_large")
    bomb = archive(frame_png=bytes(70 << 20))
    assert len(bomb) < 1 << 20
    assert "70 MiB" in refused(post(server, rgb=bomb, depth=depth), 413, "too_large")


def test_a_body_without_a_length_is_counted(server: RunningServer) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="rgb"; filename="endless"\r\n\r\n'
        for _ in range(20):
            yield bytes(1 << 20)

    content_type = {"Content-Type": "multipart/form-data; boundary=x"}
    response = httpx.post(server.url + "/predict", content=chunks(), headers=content_type)
    refused(response, 413, "too_large")


def test_requests_beyond_the_limit_are_sent_away(tmp_path: Path) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}

    async def all_at_once(url: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=60) as client:
            return await asyncio.gather(*(client.post(url, files=files) for _ in range(12)))

    with running_server(make_bundle(tmp_path), max_requests=2, num_decoders=1) as server:
        responses = asyncio.run(all_at_once(server.url + "/predict"))
        statuses = [response.status_code for response in responses]
        assert set(statuses) == {200, 429}
        full = responses[statuses.index(429)]
        refused(full, 429, "queue_full")
        assert full.headers["Retry-After"] == "1"
        assert len(scores(post(server, **files))) == 3  # and then there is room again


def decoder_of(server_pid: int) -> int:
    children = Path(f"/proc/{server_pid}/task/{server_pid}/children").read_text().split()
    commands = {int(pid): Path(f"/proc/{pid}/cmdline").read_text() for pid in children}
    return next(pid for pid, command in commands.items() if "spawn_main" in command)


def test_a_decoder_that_dies_costs_one_request(tmp_path: Path) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
    with running_server(make_bundle(tmp_path), num_decoders=1) as server:
        assert post(server, **files).status_code == 200
        os.kill(decoder_of(server.process.pid), signal.SIGKILL)
        refused(post(server, **files), 422, "decoder_crashed")
        assert post(server, **files).status_code == 200


def test_decoding_has_a_deadline(tmp_path: Path) -> None:
    files = {"rgb": npz(rgb_frames()), "depth": npz(depth_frames())}
    with running_server(make_bundle(tmp_path), num_decoders=1, deadline_s=0.001) as server:
        refused(post(server, **files), 504, "deadline")


def test_a_decoder_has_little_memory(tmp_path: Path) -> None:
    large = npz([np.zeros((2000, 2000, 3), np.uint8)] * 55)
    with running_server(make_bundle(tmp_path), decoder_memory_mb=1024) as server:
        detail = refused(post(server, rgb=large, depth=npz(depth_frames())), 413, "too_large")
        assert "more memory" in detail


def test_a_bundle_that_cannot_be_served_ends_the_command(tmp_path: Path, server: RunningServer) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (bundle / "model.onnx").write_bytes(b"changed")
    port = server.url.rsplit(":", 1)[1]
    good = make_bundle(tmp_path / "good")
    assert_refused(run_module("serve", "--bundle", bundle), "model.onnx: does not match the hash")
    assert_refused(run_module("serve", "--bundle", tmp_path / "nowhere"), "bundle.json: cannot be read")
    assert_refused(run_module("serve", "--bundle", good, "--port", port), "choose another --port")
    assert_refused(run_module("serve", "--bundle", good, "--device", "cuda"), "CUDAExecutionProvider")
    assert_refused(
        run_module("serve", "--bundle", good, RGBD_MOTION_MAX_FRAMES="many"), "RGBD_MOTION_MAX_FRAMES: Input should be"
    )
