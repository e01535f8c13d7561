"""What it costs to answer about a recording as the camera wrote it, beside decoding both of its streams whole.

Run: `python -m benchmarks.raw_recordings [--clips 3]`. Recordings are rendered as a Kinect v2 sees them, and about as
long as NTU's; the ways alternate in one run on one core, and the best of five rounds counts, because machines are
shared.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.preprocess_fps import REPEATS, as_published, repeat_recordings
from export.predictor.clip_reading import read_clip
from export.predictor.clip_request import ClipRequest, RecordingMeta, StreamFile
from export.predictor.decoded_clip import PeopleChoice
from preprocess.ntu.recording import DEPTH_FOLDER, RGB_FOLDER, RGB_SUFFIX
from preprocess.synthetic.__main__ import main as render
from rgbd.clip.appearance import presumed_appearance
from rgbd.clip.preparation import Preparation
from rgbd.clip.spec import ClipSpec
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import NO_LIMITS
from rgbd.recording.streams import frame_of
from rgbd.types import Stream

ROUNDS = 5
_STREAMS: tuple[Stream, ...] = ("rgb", "depth")


def decode(paths: dict[Stream, Path]) -> None:
    for path in paths.values():
        for picture in open_streams(path)[0].read():
            frame_of(picture)


def ask(paths: dict[Stream, Path], num_frames: int, people: PeopleChoice, *, prepared: bool) -> None:
    spec = ClipSpec(num_frames=num_frames)
    read_clip(
        ClipRequest(
            tuple(StreamFile(stream, path, path.name) for stream, path in paths.items()),
            RecordingMeta(prepared=prepared),
            NO_LIMITS,
            spec,
            _STREAMS,
            trained_on={stream: presumed_appearance(spec.resize) for stream in _STREAMS},
            preparation=Preparation(streams=_STREAMS, masks="body", roi="clip"),
            people=people,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=3, help="recordings to render (3)")
    options = parser.parse_args()
    console = Console(width=100)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        rendered, raw = Path(folder) / "rendered", Path(folder) / "raw"
        render(["--out", str(rendered), "--clips", str(options.clips)])
        as_published(rendered)
        repeat_recordings(rendered, raw, sorted(path.name for path in (rendered / DEPTH_FOLDER).iterdir()), REPEATS)
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        names = sorted(path.name for path in (raw / DEPTH_FOLDER).iterdir())
        clips: list[dict[Stream, Path]] = [
            {"rgb": raw / RGB_FOLDER / f"{name}{RGB_SUFFIX}", "depth": raw / DEPTH_FOLDER / name} for name in names
        ]
        ways: dict[str, Callable[[dict[Stream, Path]], None]] = {
            "decode both streams whole": decode,
            "16 frames as they come": lambda paths: ask(paths, 16, "all", prepared=True),
            "16 frames, prepared": lambda paths: ask(paths, 16, "all", prepared=False),
            "64 frames as they come": lambda paths: ask(paths, 64, "all", prepared=True),
            "64 frames, prepared": lambda paths: ask(paths, 64, "all", prepared=False),
            "64 frames, about the largest person": lambda paths: ask(paths, 64, "largest", prepared=False),
        }
        best = dict.fromkeys(ways, 0.0)
        for paths in track(clips, "measuring", console=Console(stderr=True)):
            for name, seconds in _best_seconds(ways, paths).items():
                best[name] += seconds
        num_frames = sum(len(list(paths["depth"].iterdir())) for paths in clips)
    table = Table("one core", "ms a recording", "of decoding", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, seconds in best.items():
        table.add_row(name, f"{1000 * seconds / len(clips):.0f}", f"{seconds / best['decode both streams whole']:.2f}")
    console.print(table)
    console.print(f"{len(clips)} recordings of {num_frames / len(clips):.0f} frames on average")


def _best_seconds(ways: dict[str, Callable[[dict[Stream, Path]], None]], paths: dict[Stream, Path]) -> dict[str, float]:
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            way(paths)
            best[name] = min(best[name], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
