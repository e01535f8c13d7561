"""Videos as they come from elsewhere: titles in an old encoding, codecs that nobody knows, phones held upright."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from rgbd.clip.crop import crop_picture
from rgbd.errors import MediaError
from rgbd.recording.formats import open_streams
from rgbd.recording.streams import frame_of
from rgbd.recording.videos.damage import Decoding
from rgbd.recording.videos.video import read_video, video_tracks, write_video
from rgbd.types import Frame

FRAMES: list[Frame] = [np.full((48, 64, 3), 20 * index, np.uint8) for index in range(6)]


def video_with(path: Path, old: bytes, new: bytes) -> Path:
    """Write a video and replace some bytes of its header."""
    write_video(path, FRAMES)
    content = path.read_bytes()
    assert len(old) == len(new) and old in content
    path.write_bytes(content.replace(old, new))
    return path


def test_text_that_is_not_utf8_does_not_matter(tmp_path: Path) -> None:
    # Matroska files name the program that wrote them, in a tag.
    path = video_with(tmp_path / "clip.mkv", b"Lavf", b"Caf\xe9")
    assert len(list(read_video(path))) == 6
    assert [track.num_packets for track in video_tracks(path)] == [6]


def test_an_unknown_codec_is_named_as_the_reason(tmp_path: Path) -> None:
    path = video_with(tmp_path / "clip.mkv", b"V_MPEG4/ISO/ASP", b"V_NOBODY/KNOWS/")
    with pytest.raises(MediaError, match=r"clip\.mkv: is in a codec that is not known"):
        list(read_video(path))
    with pytest.raises(MediaError, match=r"clip\.mkv: is in a codec that is not known"):
        video_tracks(path)


@pytest.mark.parametrize(("turn_deg", "corner"), [(0, (0, 0)), (90, (-1, 0)), (180, (-1, -1)), (-90, (0, -1))])
def test_frames_are_turned_as_phones_ask_for(tmp_path: Path, turn_deg: int, corner: tuple[int, int]) -> None:
    path = tmp_path / "clip.mp4"
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16] = 255  # the upper left corner
    with av.open(str(path), "w") as container:
        track = container.add_stream("libx264", rate=30)
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        track.set_display_rotation(turn_deg)
        for _ in range(6):
            container.mux(track.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(track.encode())
    (described,) = video_tracks(path)
    frames = list(read_video(path))
    size = (48, 64) if turn_deg in (90, -90) else (64, 48)
    assert (described.width, described.height) == size
    assert described.rotation_deg == turn_deg % 360
    assert described.times_s == pytest.approx([i / 30 for i in range(6)], abs=1e-3)
    assert all(frame.shape == (size[1], size[0], 3) for frame in frames)
    bright = frames[0].mean(2) > 128
    assert bright[corner] and bright.mean() == pytest.approx(1 / 12, abs=0.02)
    (color,) = open_streams(path)
    assert color.size == size
    assert crop_picture(next(color.read()), (0, 0, *size), size).shape == (size[1], size[0], 3)


@pytest.mark.parametrize(
    ("codec", "pixels", "gop", "most"),
    [
        ("ffv1", "gray16le", 1, 3),
        ("ffv1", "gray16le", 12, 12 + 2),
        ("mjpeg", "yuvj420p", 12, 3),
        ("libx264", "yuv420p", 12, 40),
    ],
)
def test_a_few_frames_are_read_alone_where_the_codec_allows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, pixels: str, gop: int, most: int
) -> None:
    frames = [np.full((48, 64), 1000 * index, np.uint16) for index in range(40)]
    with av.open(str(tmp_path / "clip.mkv"), "w") as container:
        track: Any = container.add_stream(codec, rate=30)
        track.width, track.height, track.pix_fmt, track.gop_size = 64, 48, pixels, gop
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="gray16le")
            container.mux(track.encode(picture.reformat(format=pixels)))
        container.mux(track.encode())
    (stream,) = open_streams(tmp_path / "clip.mkv")
    every = [frame_of(picture) for picture in stream.read()]
    decoded: list[int] = []
    decode = Decoding.frames_of

    def counted(self: Decoding, packet: Any, number: int, before: int) -> list[av.VideoFrame]:
        decoded.append(number)
        return decode(self, packet, number, before)

    monkeypatch.setattr(Decoding, "frames_of", counted)
    few = [frame_of(picture) for picture in stream.read([0, 11, 25])]
    assert all(np.array_equal(frame, every[index]) for frame, index in zip(few, (0, 11, 25), strict=True))
    assert len(every) == 40 and len([number for number in decoded if number < 40]) <= most
