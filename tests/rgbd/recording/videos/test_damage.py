"""No damaged video passes for a shorter one, and no sound one for damaged."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rgbd.errors import DamagedError, MediaError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits
from rgbd.recording.streams import Excerpt, StreamReader, frame_of
from rgbd.recording.videos.video import read_video
from rgbd.types import Frame
from tests.support.real import real_recordings
from tests.support.videos import (
    NUM_FRAMES,
    damaged,
    encode,
    ffv1_depth,
    h264,
    h264_for_streaming,
    h264_in_fragments,
    h264_in_matroska,
    moving,
    xvid,
    xvid_with_b_frames,
)

Writer = Callable[[Path], Path]
WRITERS: list[Writer] = [
    *(xvid, xvid_with_b_frames, h264, h264_for_streaming, h264_in_fragments, h264_in_matroska, ffv1_depth),
]
SKIP = Limits(on_damage="skip")


def frames_of(stream: StreamReader) -> list[Frame]:
    return [frame_of(picture) for picture in stream.read()]


def is_same(frames: Sequence[Frame], whole: Sequence[Frame]) -> bool:
    return len(frames) == len(whole) and all(map(np.array_equal, frames, whole))


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_whatever_is_damaged_is_refused_or_told(tmp_path: Path, write: Writer) -> None:
    path = write(tmp_path)
    (stream,) = open_streams(path)
    whole = frames_of(stream)
    assert len(whole) == NUM_FRAMES and stream.damage == ()
    num_refused = 0
    for what, content in damaged(path.read_bytes()):
        path.write_bytes(content)
        try:
            read = frames_of(open_streams(path)[0])
        except MediaError as error:
            assert str(path) in str(error), what
            num_refused += 1
        else:
            assert is_same(read, whole) or (len(read) == NUM_FRAMES and "turned" in what), what
        try:
            (stream,) = open_streams(path, SKIP)
        except MediaError:
            continue
        read = frames_of(stream)
        assert is_same(read, whole) or stream.damage or "turned" in what, what
        assert stream.num_frames == len(read), what
    assert num_refused >= 8  # some bytes may be turned without a trace, or where nobody reads


def test_a_refusal_has_numbers(tmp_path: Path) -> None:
    path = xvid(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedError, match=r"xvid\.avi: holds 2\d of the 60 frames that its header promises"):
        frames_of(open_streams(path)[0])
    (stream,) = open_streams(path, SKIP)
    assert len(frames_of(stream)) == stream.num_frames < 30
    assert "of the 60 frames" in stream.damage[0] and "1 frame of it is not complete" in stream.damage
    path = ffv1_depth(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedError, match=r"depth\.mkv: ends after 0\.97 of the 2\.00 s that its header promises"):
        frames_of(open_streams(path)[0])
    path.write_bytes(content[:200_000] + bytes(100) + content[200_100:])
    with pytest.raises(DamagedError, match=r"depth\.mkv: is damaged at frame 3\d; copy it again"):
        frames_of(open_streams(path)[0])


def test_damage_is_counted_once_however_often_a_video_is_read(tmp_path: Path) -> None:
    path = ffv1_depth(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:200_000] + bytes(100) + content[200_100:])
    (stream,) = open_streams(path, Limits(on_damage="report"))
    for _ in range(2):
        assert len(frames_of(stream)) == NUM_FRAMES
        assert stream.damage == ("1 frame is damaged",)


def test_the_same_damage_in_two_files_is_seen_twice(tmp_path: Path) -> None:
    """FFmpeg's messages are not repeated as a rule."""
    path = ffv1_depth(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:200_000] + bytes(100) + content[200_100:])
    copy = path.with_name("copy.mkv")
    copy.write_bytes(path.read_bytes())
    for damaged_file in (path, copy):
        with pytest.raises(DamagedError):
            list(read_video(damaged_file))


def test_an_excerpt_that_is_shorter_than_asked_for_is_damaged(tmp_path: Path) -> None:
    path = xvid(tmp_path)
    (stream,) = open_streams(path)
    with pytest.raises(DamagedError, match=r"xvid\.avi: has 20 of the 80 frames, 40 to 119, that are wanted"):
        list(Excerpt(stream, 40, 120).read())
    excerpt = Excerpt(stream, 40, 120, SKIP)
    assert len(list(excerpt.read())) == 20 and "20 of the 80" in excerpt.damage[0]
    assert Excerpt(stream, 10, 60).damage == ()


def packets_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


def variable_rate(folder: Path) -> Path:
    times = np.cumsum(np.random.default_rng(0).integers(1, 12, NUM_FRAMES)).tolist()
    return encode(folder / "uneven.mkv", "libx264", "yuv420p", list(moving()), times=times)


def without_length(folder: Path) -> Path:
    """Write as a browser does, which does not know yet how long it records."""
    options = {"live": "1"}
    return encode(
        folder / "live.webm", "libvpx", "yuv420p", list(moving()), container_options=options, deadline="realtime"
    )


def with_an_edit_list(folder: Path) -> Path:
    """Write what a phone makes of a clip whose beginning was cut off: the frames before are there, and not shown."""
    frames = [*moving(), *moving(10)]
    return encode(folder / "trimmed.mp4", "libx264", "yuv420p", frames, times=range(-10, NUM_FRAMES), bf="2")


def with_empty_chunks(folder: Path) -> Path:
    """Write what capture programs do where no new frame came: a chunk without content, in the index or not."""
    path = xvid(folder)
    content = bytearray(path.read_bytes())
    index, place, number = content.index(b"idx1"), content.index(b"movi") + 4, 0
    while place < index:
        (size,) = struct.unpack_from("<I", content, place + 4)
        if content[place : place + 4] == b"00dc":
            number += 1
            if number == NUM_FRAMES:
                content[place + 4 : place + 16] = struct.pack("<I4sI", 0, b"JUNK", size + size % 2 - 8)
                content[index + 8 + 16 * number - 4 : index + 8 + 16 * number] = bytes(4)
        place += 8 + size + size % 2
    path.write_bytes(content)
    return path


def with_skipped_frames(folder: Path) -> Path:
    """Write what XviD does where nothing has changed: a packet that says so, and makes no frame."""
    skipped = b"\x00\x00\x01\xb6" + bytes([0b01010000, 0b01011111])
    path = folder / "skipped.avi"
    with av.open(str(xvid(folder))) as source, av.open(str(path), "w") as container:
        track = container.add_stream_from_template(source.streams.video[0])
        for time, content in enumerate(
            [content for one in packets_of(folder / "xvid.avi") for content in (one, skipped)]
        ):
            packet = av.Packet(content)
            packet.pts = packet.dts = time
            packet.time_base, packet.stream = Fraction(1, 30), track
            container.mux(packet)
    return path


def with_longer_sound(folder: Path) -> Path:
    """Write what a phone held upright records: sound that goes on for longer than the picture."""
    path = folder / "sound.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=30)
        track.width, track.height, track.pix_fmt = 160, 120, "yuv420p"
        track.set_display_rotation(90)
        sound = container.add_stream("aac", rate=48_000)
        for frame in moving():
            container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(track.encode())
        for number in range(200):
            noise = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            noise.sample_rate, noise.pts = 48_000, 1024 * number
            container.mux(sound.encode(noise))
        container.mux(sound.encode())
    return path


def in_a_transport_stream(folder: Path) -> Path:
    return encode(folder / "clip.ts", "libx264", "yuv420p", list(moving()))


def raw_h264(folder: Path) -> Path:
    return encode(folder / "clip.h264", "libx264", "yuv420p", list(moving()))


def motion_jpeg(folder: Path) -> Path:
    return encode(folder / "clip.avi", "mjpeg", "yuvj420p", list(moving()))


ODD: list[tuple[Writer, int]] = [
    (variable_rate, NUM_FRAMES),
    (without_length, NUM_FRAMES),
    (with_an_edit_list, NUM_FRAMES),
    (with_empty_chunks, NUM_FRAMES - 1),
    (with_skipped_frames, NUM_FRAMES + 1),  # FFmpeg shows the last again
    (with_longer_sound, NUM_FRAMES),
    (in_a_transport_stream, NUM_FRAMES),
    (raw_h264, NUM_FRAMES),
    (motion_jpeg, NUM_FRAMES),
]


@pytest.mark.parametrize(("write", "num_frames"), ODD, ids=lambda value: getattr(value, "__name__", None))
def test_odd_videos_are_no_damaged_ones(tmp_path: Path, write: Writer, num_frames: int) -> None:
    (stream,) = open_streams(write(tmp_path))
    assert len(frames_of(stream)) == stream.num_frames == num_frames
    assert stream.damage == ()


def test_real_recordings_are_not_damaged() -> None:
    files = [real_recordings("cameras") / "azure_kinect.mkv", real_recordings("ur_fall") / "fall-01-cam0_rgb.mp4"]
    for stream in (stream for file in files for stream in open_streams(file)):
        assert len(frames_of(stream)) == stream.num_frames and stream.damage == ()


def test_frames_of_no_size_are_refused(tmp_path: Path) -> None:
    path = ffv1_depth(tmp_path)
    size = b"\xb0\x81\xa0\xba\x81\x78"  # as Matroska writes 160x120
    path.write_bytes(path.read_bytes().replace(size, b"\xb0\x81\x00\xba\x81\x00"))
    with pytest.raises(MediaError, match=r"depth\.mkv: does not say how large its frames are; check"):
        open_streams(path)
