"""What depth may be packed with on its way to `/live`: bytes of a frame, and milliseconds to pack and unpack it.

Run: `python -m benchmarks.live_encodings --recordings PATH...`, any that the readers know. All ways are lossless; the
baseline is raw. RVL (Wilson 2017) is counted, not timed: there is no library for it, and Python's time says nothing.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from rich.console import Console
from rich.table import Table

from rgbd.recording.formats import open_streams
from rgbd.recording.stills.images import decode_image, encode_image
from rgbd.recording.streams import frame_of
from rgbd.types import Depth

NUM_FRAMES, ROUNDS = 60, 3
Bytes = Callable[[Depth], bytes]
Back = Callable[[bytes], object]


def ways() -> dict[str, tuple[Bytes, Back]]:
    """Return how to pack a frame, and how to unpack it, by name."""
    packers = {level: zstandard.ZstdCompressor(level=level) for level in (1, 3, 6)}
    unpacker = zstandard.ZstdDecompressor()
    zstd: dict[str, tuple[Bytes, Back]] = {
        f"zstd, level {level}": (lambda frame, packer=packer: packer.compress(frame.tobytes()), unpacker.decompress)
        for level, packer in packers.items()
    }
    png = (lambda frame: encode_image(".png", frame), lambda data: decode_image(data, "depth"))
    return {"raw": (lambda frame: frame.tobytes(), lambda data: np.frombuffer(data, np.uint16)), "png": png, **zstd}


def rvl_bytes(frame: Depth) -> int:
    """Return how many bytes RVL needs: runs of zeros and of others, and zigzag differences of those, in 3-bit parts."""
    pixels = frame.reshape(-1).astype(np.int64)
    measured = pixels > 0
    borders = np.flatnonzero(np.diff(measured.astype(np.int8))) + 1
    runs = np.diff(np.concatenate([[0], borders, [pixels.size]]))
    values = pixels[measured]
    deltas = np.diff(values, prepend=0)
    zigzag = (deltas << 1) ^ (deltas >> 63)
    return int((_nibbles(runs).sum() + _nibbles(zigzag).sum()) / 2)


def _nibbles(values: np.ndarray) -> np.ndarray:
    bits = np.ceil(np.log2(values + 1.0))
    return np.maximum(1, np.ceil(bits / 3))


def frames_of(path: Path) -> list[Depth]:
    """Return the first frames of depth of a recording."""
    stream = next(stream for stream in open_streams(path) if stream.is_depth)
    return [frame_of(picture).astype(np.uint16) for picture in islice(stream.read(), NUM_FRAMES)]


def median_ms(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Return how long the work takes for one of the items."""
    times_s = []
    for item in (item for _ in range(ROUNDS) for item in items):
        start = time.perf_counter()
        work(item)
        times_s.append(time.perf_counter() - start)
    return 1000 * statistics.median(times_s)


def table_of(path: Path, frames: Sequence[Depth]) -> Table:
    """Return what each way takes for these frames."""
    height, width = frames[0].shape
    table = Table(title=f"{path.name}: {len(frames)} frames of {width}x{height}", title_justify="left", box=None)
    for column in ("way", "kB a frame", "of raw", "ms to pack", "ms to unpack"):
        table.add_column(column, justify="left" if column == "way" else "right")
    raw = frames[0].nbytes
    for name, (pack, unpack) in ways().items():
        packed = [pack(frame) for frame in frames]
        to_pack, to_unpack = median_ms(pack, frames), median_ms(unpack, packed)
        size = statistics.mean(map(len, packed))
        table.add_row(name, f"{size / 1000:.0f}", f"{size / raw:.0%}", f"{to_pack:.2f}", f"{to_unpack:.2f}")
    rvl = statistics.mean(map(rvl_bytes, frames))
    table.add_row("RVL, counted", f"{rvl / 1000:.0f}", f"{rvl / raw:.0%}", "", "")
    return table


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, nargs="+", metavar="PATH", required=True)
    for recording in parser.parse_args().recordings:
        Console(width=100).print(table_of(recording, frames_of(recording)))
