"""Every format gives the same streams, whoever opens it."""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
import tifffile
from scipy.io import savemat

from rgbd.errors import MediaError, TooLargeError, UnknownContainerError
from rgbd.recording.depth import MeasuredDepth
from rgbd.recording.formats import open_stream, open_streams
from rgbd.recording.limits import NO_LIMITS, Limits
from rgbd.recording.stills.images import write_image
from rgbd.recording.streams import Excerpt, frame_of
from rgbd.recording.tracks import choose_tracks
from rgbd.recording.videos.video import write_video
from rgbd.types import Frame
from tests.support.msr_action3d import write_depth
from tests.support.real import real_recordings

NUM_FRAMES = 12
DEPTH: list[Frame] = [np.full((48, 64), 1000 + 10 * index, np.uint16) for index in range(NUM_FRAMES)]
COLOR: list[Frame] = [np.full((48, 64, 3), 10 + 15 * index, np.uint8) for index in range(NUM_FRAMES)]


def as_folder(path: Path, frames: Sequence[Frame]) -> Path:
    """Write PNG files without leading zeros, as people number them: frame10 comes after frame9."""
    path.mkdir()
    for index, frame in enumerate(frames):
        write_image(path / f"frame{index}.png", frame)
    (path / "._frame0.png").write_bytes(b"what a foreign file system leaves behind")
    return path


def as_zip(path: Path, frames: Sequence[Frame]) -> Path:
    folder = as_folder(path.with_suffix(".frames"), frames)
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"recording/{file.name}")
        archive.writestr("__MACOSX/._frame0.png", b"what archivers leave behind")
    return path.with_suffix(".zip")


def as_npz(path: Path, frames: Sequence[Frame]) -> Path:
    np.savez_compressed(path.with_suffix(".npz"), frames=np.stack(frames))
    return path.with_suffix(".npz")


def as_npy(path: Path, frames: Sequence[Frame]) -> Path:
    np.save(path.with_suffix(".npy"), np.stack(frames))
    return path.with_suffix(".npy")


def as_pages(path: Path, frames: Sequence[Frame]) -> Path:
    tifffile.imwrite(path.with_suffix(".tif"), np.stack(frames))
    return path.with_suffix(".tif")


def as_matlab(path: Path, frames: Sequence[Frame]) -> Path:
    """Write what MATLAB saves of [H, W, T] or [H, W, 3, T], and beside it what a recording may come with."""
    variables = {"note": "by hand", "fps": 30.0, "frames": np.moveaxis(np.stack(frames), 0, -1)}
    savemat(path.with_suffix(".mat"), variables, do_compression=True)
    return path.with_suffix(".mat")


def as_msr_action3d(path: Path, frames: Sequence[Frame]) -> Path:
    return write_depth(path.with_suffix(".bin"), frames)


def as_video(path: Path, frames: Sequence[Frame]) -> Path:
    write_video(path.with_suffix(".mkv"), frames)
    return path.with_suffix(".mkv")


WRITERS = [as_folder, as_zip, as_npz, as_npy, as_pages, as_matlab, as_video]
FORMATS = pytest.mark.parametrize("write", WRITERS)
DEPTH_FORMATS = pytest.mark.parametrize("write", [*WRITERS, as_msr_action3d])
Writer = Callable[[Path, Sequence[Frame]], Path]


@FORMATS
@pytest.mark.parametrize("frames", [COLOR, DEPTH], ids=["rgb", "depth"])
def test_a_stream_is_the_same_in_every_format(tmp_path: Path, write: Writer, frames: list[Frame]) -> None:
    (stream,) = open_streams(write(tmp_path / "clip", frames))
    assert (stream.num_frames, stream.size, stream.is_depth) == (NUM_FRAMES, (64, 48), frames is DEPTH)
    read = [frame_of(picture) for picture in stream.read()]
    tolerance = 0 if frames is DEPTH or write is not as_video else 4
    for frame, expected in zip(read, frames, strict=True):
        np.testing.assert_allclose(frame.astype(int), expected.astype(int), atol=tolerance)
    chosen = [frame_of(picture) for picture in stream.read([2, 10, 11])]
    for frame, index in zip(chosen, (2, 10, 11), strict=True):
        np.testing.assert_array_equal(frame, read[index])
    assert stream.frame_name(3).startswith(stream.name)


@DEPTH_FORMATS
def test_depth_is_scaled_alike_from_every_format(tmp_path: Path, write: Writer) -> None:
    depth = MeasuredDepth(open_streams(write(tmp_path / "clip", DEPTH))[0], 0.25)
    assert [int(frame[0, 0]) for frame in depth] == [250, 252, 255, 258, 260, 262, 265, 268, 270, 272, 275, 278]
    assert [int(frame[0, 0]) for frame in depth.spread(3)] == [250, 262, 278]


@DEPTH_FORMATS
def test_an_excerpt_counts_from_its_start(tmp_path: Path, write: Writer) -> None:
    (stream,) = open_streams(write(tmp_path / "clip", DEPTH))
    excerpt = Excerpt(stream, 4, 9)
    assert excerpt.num_frames == 5
    assert [int(frame_of(picture)[0, 0]) for picture in excerpt.read()] == [1040, 1050, 1060, 1070, 1080]
    assert [int(frame_of(picture)[0, 0]) for picture in excerpt.read([0, 4])] == [1040, 1080]
    assert excerpt.frame_name(0) == stream.frame_name(4)
    assert Excerpt(stream, 10, 99).num_frames == 2


@DEPTH_FORMATS
def test_limits_hold_for_every_format(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path / "clip", DEPTH)
    with pytest.raises(TooLargeError, match="more than 11 frames"):
        list(open_streams(path, Limits(max_frames=11))[0].read([0]))
    with pytest.raises(TooLargeError, match="64x48"):
        list(open_streams(path, Limits(max_pixels=64 * 47))[0].read())


def test_a_file_of_no_known_kind_names_those_that_are_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no recording")
    with pytest.raises(UnknownContainerError, match=r"is no mp4, mkv, webm or avi video, .*no zip .*, and no \.npy"):
        open_streams(tmp_path / "notes.txt", Limits(any_container=False))
    with pytest.raises(MediaError, match="cannot be opened as a video"):
        open_streams(tmp_path / "notes.txt")
    with pytest.raises(MediaError, match="cannot be read"):
        open_streams(tmp_path / "nowhere.mp4")


# The first bytes of a ZED 2i's, as a reader of such files shows them: https://nes.is-a.dev/out/2025/svo2.html
SVO2 = b"\x89MCAP0\r\n\x01\x1a" + bytes(11) + b"\x12\0\0\0libmcap stereolabs\x06" + bytes(40)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("upload", b"NI10" + bytes(60), "is an OpenNI recording, which is not read here; play it with OpenNI2"),
        ("wave.oni", b"cut", "is an OpenNI recording"),
        ("upload", b"EVENTS1\0" + bytes(60), "is a recording of Kinect Studio.*KinectXEFTools"),
        ("wave.XEF", b"", "is a recording of Kinect Studio"),
        ("wave.svo", bytes(64), r"is a recording of a ZED camera.*ZED_SVO_Export"),
        ("wave.svo2", bytes(64), "is a recording of a ZED camera"),
        ("upload", SVO2, "is a recording of a ZED camera"),
        ("upload", b"\x89HDF\r\n\x1a\n" + bytes(60), r"is an HDF5 file.*h5py.*numpy\.save"),
        ("wave.mat", b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(384), r"version 7\.3.*'-v7'"),
    ],
)
def test_what_only_its_makers_software_reads_names_what_converts_it(
    tmp_path: Path, name: str, data: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(data)
    for limits in (Limits(), Limits(any_container=False)):
        with pytest.raises(MediaError, match=message):
            open_streams(tmp_path / name, limits)


def test_a_video_of_one_s_own_may_be_in_another_container(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.ts", COLOR)
    assert open_streams(tmp_path / "clip.ts")[0].size == (64, 48)
    with pytest.raises(UnknownContainerError):
        open_streams(tmp_path / "clip.ts", Limits(any_container=False))


def tracks_in(path: Path, kinds: str) -> Path:
    """Write a file of tracks without names, a letter each: (c)olour, (d)epth."""
    stored = {"c": ("mjpeg", "yuvj420p", "rgb24", COLOR), "d": ("ffv1", "gray16le", "gray16le", DEPTH)}
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream(stored[kind][0], rate=30) for kind in kinds]
        for track, kind in zip(tracks, kinds, strict=True):
            track.width, track.height, track.pix_fmt = 64, 48, stored[kind][1]
        for track, kind in zip(tracks, kinds, strict=True):
            for frame in stored[kind][3]:
                container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format=stored[kind][2])))
            container.mux(track.encode())
    return path


@pytest.mark.parametrize("kinds", ["cd", "dc", "ccd", "cdc", "dcc"])
@pytest.mark.parametrize("limits", [NO_LIMITS, Limits(any_container=False, on_damage="report")])
def test_a_track_is_taken_by_its_kind_wherever_it_stands(tmp_path: Path, kinds: str, limits: Limits) -> None:
    path = tracks_in(tmp_path / "camera.mkv", kinds)
    both = choose_tracks(open_streams(path, limits), ["rgb", "depth"], {})
    for rgb, depth in ((open_stream(path, "rgb", limits), open_stream(path, "depth", limits)), tuple(both.values())):
        assert (rgb.is_depth, depth.is_depth) == (False, True)
        assert [int(frame_of(picture)[0, 0]) for picture in depth.read()] == [int(frame[0, 0]) for frame in DEPTH]
        assert [frame_of(picture).mean() for picture in rgb.read()] == pytest.approx(
            [frame.mean() for frame in COLOR], abs=2
        )


def test_a_picture_that_is_attached_is_no_track(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.mp4", tmp_path / "clip.mp4"
    write_video(plain, COLOR)
    with av.open(str(plain)) as source, av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=30)
        cover.width, cover.height, cover.pix_fmt = 32, 24, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        track = container.add_stream_from_template(source.streams.video[0])
        picture = av.VideoFrame.from_ndarray(np.zeros((24, 32, 3), np.uint8), format="rgb24")
        container.mux([*cover.encode(picture), *cover.encode()])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = track
                container.mux(packet)
    (rgb,) = open_streams(path)
    assert (rgb.size, len(list(rgb.read()))) == ((64, 48), len(COLOR))


def test_a_real_azure_kinect_file_gives_colour_and_depth() -> None:
    path = real_recordings("cameras") / "azure_kinect.mkv"
    rgb, depth = open_stream(path, "rgb"), open_stream(path, "depth")
    assert rgb.size == (1280, 720) and depth.is_depth
    (frame,) = MeasuredDepth(depth)
    assert 300 < np.median(frame[frame > 0]) < 6000
