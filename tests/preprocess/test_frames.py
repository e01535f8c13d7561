"""Videos as they come from elsewhere: titles in an old encoding, codecs that nobody knows."""

from pathlib import Path

import numpy as np
import pytest

from preprocess.errors import MediaError
from preprocess.frames import Frame, read_video, video_tracks, write_video

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
