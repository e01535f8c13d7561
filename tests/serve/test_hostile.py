"""Bombs, slow senders, silent and vanishing clients, a full disk: each costs its own request, and leaves nothing."""

import errno
import io
import os
import resource
import time
import zipfile
from pathlib import Path

import httpx
import numpy as np

from benchmarks.support.samples import samples
from benchmarks.support.tiny_bundle import make_bundle
from rgbd.errors import NO_MEMORY
from tests.support.requests import connect, decoder_of, post, refused, upload
from tests.support.server import RunningServer, running_server
from tests.support.uploads import FILES, npz, rgb_frames
from tests.support.videos import encode
from tests.support.waiting import wait_until


def packed(name: str, content: bytes, packing: int, copies: int = 1) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for index in range(copies):
            archive.writestr(f"{index}{name}", content)
    return buffer.getvalue()


def array(*shape: int) -> bytes:
    """Return the header of an .npy file, and zeros."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(int(np.prod(shape)))


def test_archives_that_unpack_to_too_much(server: RunningServer) -> None:
    bomb = packed("rgb.npy", array(50, 2000, 1000, 3), zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20
    assert "unpacks to 286 MiB" in refused(post(server, rgb=bomb, depth=FILES["depth"]), 413, "too_large")
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        other = packed("rgb.npy", array(5, 9, 9, 3), packing)
        detail = refused(post(server, rgb=other, depth=FILES["depth"]), 422, "unusable_clip")
        assert "pack it with deflate" in detail
    many = packed(".png", b"", zipfile.ZIP_STORED, copies=50_000)
    assert "more than 60 frames" in refused(post(server, rgb=many, depth=FILES["depth"]), 413, "too_large")
    nested = packed(".zip", bomb, zipfile.ZIP_STORED)
    assert "'0.zip'" in refused(post(server, rgb=nested, depth=FILES["depth"]), 422, "unusable_clip")
    escaping = packed("/../../../etc/passwd.png", b"\x89PNG", zipfile.ZIP_STORED)
    refused(post(server, rgb=escaping, depth=FILES["depth"]), 422, "unusable_clip")


def test_frames_of_which_there_can_be_no_picture(server: RunningServer) -> None:
    tall = npz([np.zeros((66_000, 10, 3), np.uint8)] * 4)
    detail = refused(post(server, "/preview", rgb=tall), 422, "unusable_clip")
    assert "10x66000" in detail and "scale it down" in detail


def test_senders_who_dawdle_are_sent_away(tmp_path: Path) -> None:
    with running_server(make_bundle(tmp_path), upload_s=3, max_uploads=2) as server:
        slow = [upload(server, 1000) for _ in range(2)]
        silent = connect(server)
        time.sleep(0.3)
        assert "2 uploads are arriving" in refused(post(server, **FILES), 429, "too_many_uploads")
        for connection in slow:
            assert b"408 Request Timeout" in connection.recv(1 << 16)
            connection.close()
        assert silent.recv(1) == b""
        silent.close()
        assert post(server, **FILES).status_code == 200


def test_clients_that_vanish_leave_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    folder.mkdir()
    os.environ["TMPDIR"] = str(folder)
    try:
        with running_server(make_bundle(tmp_path / "bundle"), num_decoders=1) as server:
            before = set(folder.iterdir())  # libraries leave something there when they are loaded
            for _ in range(5):
                upload(server, 500_000).close()
            for _ in range(5):  # in the middle of the answer
                connection = connect(server)
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                connection.close()
            assert post(server, **FILES).status_code == 200
            wait_until(lambda: set(folder.iterdir()) == before)
    finally:
        del os.environ["TMPDIR"]


def test_a_thousand_idle_connections_do_not_matter(server: RunningServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = [connect(server) for _ in range(1000)]
    try:
        assert post(server, **FILES).status_code == 200
    finally:
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    large = npz(list(np.random.default_rng(0).integers(0, 256, (12, 300, 400, 3), np.uint8)))
    assert len(large) > 3 << 20
    with running_server(make_bundle(tmp_path, "rgb")) as server:
        # A limit to the size of files stands for the full disk: the same call of the system fails.
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
        response = post(server, rgb=large)
        assert "no space" in refused(response, 507, "no_space")
        assert os.strerror(errno.EFBIG) not in response.text
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert post(server, rgb=large).status_code == 200


def test_a_full_folder_for_what_is_unpacked_is_no_fault_of_the_archive(tmp_path: Path) -> None:
    stored, deflated = samples(tmp_path)["both of Stray Scanner"]["rgb"], io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(stored)) as source, zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member))
    with running_server(make_bundle(tmp_path)) as server:
        assert post(server, rgb=deflated.getvalue()).status_code == 200
        resource.prlimit(decoder_of(server), resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
        detail = refused(post(server, rgb=deflated.getvalue()), 507, "no_space")
        assert detail.startswith("rgb (upload): there is no space to unpack it") and "pack it again" not in detail


def test_too_little_memory_is_no_fault_of_the_video(tmp_path: Path) -> None:
    frames = [np.full((2160, 3840, 3), 9 * index, np.uint8) for index in range(12)]
    path = encode(tmp_path / "large.mp4", "libx264", "yuv420p", frames)
    with running_server(make_bundle(tmp_path / "bundle", "rgb"), decoder_memory_mb=512) as server:
        assert post(server, rgb=npz(rgb_frames())).status_code == 200
        detail = refused(post(server, rgb=path.read_bytes()), 413, "too_large")
        assert detail == f"rgb (upload): {NO_MEMORY}" and "decoder_memory_mb" in detail
    with running_server(make_bundle(tmp_path / "bundle", "rgb")) as server:
        assert post(server, rgb=path.read_bytes()).status_code == 200


def test_nonsense_over_the_wire_is_answered_or_closed(server: RunningServer) -> None:
    for nonsense in (
        b"\x16\x03\x01\x02\x00",
        b"GET /" + b"a" * 100_000,
        b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with connect(server) as connection:
            connection.sendall(nonsense + b"\r\n\r\n")
            assert connection.recv(100)[:12] in (b"HTTP/1.1 400", b"")
    body = httpx.post(server.url + "/predict", content=b"--x", headers={"Content-Type": "multipart/form-data"})
    assert body.status_code == 400
