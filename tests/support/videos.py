"""Videos of something that moves, as recorders and phones write them, and what becomes of files on their way."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from rgbd.types import Frame

SIZE = (160, 120)  # width, height
NUM_FRAMES = 60


def moving(num_frames: int = NUM_FRAMES, *, depth: bool = False) -> Iterator[Frame]:
    """Yield a structured picture that shifts, uint8 RGB or uint16: every frame has something to encode."""
    scene = np.random.default_rng(0).integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    scene = cv2.GaussianBlur(scene, (0, 0), 2).astype(np.uint8)
    for index in range(num_frames):
        frame = np.roll(scene, 2 * index, axis=1)
        frame[30:60, index : index + 30] = (255, 0, index)
        yield frame[:, :, 0].astype(np.uint16) * 8 + 900 if depth else frame


def encode(
    path: Path,
    codec: str,
    pixels: str,
    frames: Sequence[Frame],
    *,
    times: Sequence[int] | None = None,
    turn_deg: int = 0,
    container_options: dict[str, str] | None = None,
    **options: str,
) -> Path:
    """Write a video of 30 frames a second, or with these times in thirtieths of a second, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=container_options or {}) as container:
        track: Any = container.add_stream(codec, rate=30, options=options)
        track.height, track.width = frames[0].shape[:2]
        track.pix_fmt = pixels
        track.thread_count = 1  # what is written depends on it
        track.codec_tag = "XVID" if (codec, path.suffix) == ("mpeg4", ".avi") else track.codec_tag
        track.bit_rate = 800_000
        track.set_display_rotation(turn_deg)
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="gray16le" if frame.ndim == 2 else "rgb24")
            picture.pts = index if times is None else times[index]
            container.mux(track.encode(picture))
        container.mux(track.encode())
    return path


def xvid(folder: Path) -> Path:
    """Write what NTU RGB+D comes in."""
    return encode(folder / "xvid.avi", "mpeg4", "yuv420p", list(moving()))


def xvid_with_b_frames(folder: Path) -> Path:
    return encode(folder / "b_frames.avi", "mpeg4", "yuv420p", list(moving()), bf="2")


def h264(folder: Path) -> Path:
    """Write what phones write: the table of frames at the end, B-frames, an edit list."""
    return encode(folder / "h264.mp4", "libx264", "yuv420p", list(moving()))


def h264_for_streaming(folder: Path) -> Path:
    """Write the table of frames at the start, where a cut leaves it."""
    options = {"movflags": "faststart"}
    return encode(folder / "fast.mp4", "libx264", "yuv420p", list(moving()), container_options=options)


def h264_in_fragments(folder: Path) -> Path:
    options = {"movflags": "frag_keyframe+empty_moov"}
    return encode(folder / "fragments.mp4", "libx264", "yuv420p", list(moving()), container_options=options, g="10")


def h264_in_matroska(folder: Path) -> Path:
    return encode(folder / "h264.mkv", "libx264", "yuv420p", list(moving()))


def ffv1_depth(folder: Path) -> Path:
    return encode(folder / "depth.mkv", "ffv1", "gray16le", list(moving(depth=True)))


def cut_before_its_frames(path: Path) -> Path:
    """Leave of a Matroska file what it says before its first cluster, which frames lie in."""
    content, cluster = path.read_bytes(), b"\x1f\x43\xb6\x75"
    path.write_bytes(content[: content.index(cluster) + len(cluster)])
    return path


def damaged(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file that was cut, of which disk blocks are empty, and in which bits have turned; each with its name."""
    size = len(content)
    for share in (0.3, 0.5, 0.9):
        yield f"cut at {share:.0%}", content[: int(share * size)]
    for share, length in ((0.3, 200), (0.5, 2_000), (0.8, 20_000)):
        start, stop = int(share * size), min(size, int(share * size) + length)
        yield f"{length} zeros at {share:.0%}", content[:start] + bytes(stop - start) + content[stop:]
    for share, length in ((0.2, 1), (0.4, 10), (0.6, 100)):
        start, stop = int(share * size), int(share * size) + length
        turned = bytes(value ^ 0xFF for value in content[start:stop])
        yield f"{length} bytes turned at {share:.0%}", content[:start] + turned + content[stop:]
