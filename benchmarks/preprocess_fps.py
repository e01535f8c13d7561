"""Frames per second of `preprocess.ntu` at 1920x1080, beside merely decoding the same videos and the published way.

Run: `python -m benchmarks.preprocess_fps [--clips 10]` on Linux. One core, but for the last table; the rows of a table
alternate in one run and the best of three rounds counts, because machines are shared.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from preprocess.ntu.dataset import main as ntu
from preprocess.ntu.recording import DEPTH_FOLDER, MASKED_FOLDER, RGB_FOLDER, RGB_SUFFIX, SKELETON_FOLDER
from preprocess.synthetic.__main__ import main as render
from preprocess.synthetic.recording import MASK_FOLDER
from rgbd.dataset.records import RECORDS_FILE, read_records
from rgbd.people.boxes import legacy_box
from rgbd.recording.skeletons.ntu_skeleton import read_skeleton, write_skeleton
from rgbd.recording.stills.images import read_image
from rgbd.recording.videos.video import decode_video, read_video, write_video

ROUNDS = 3
REPEATS = 2  # of every recording, which makes them about as long as NTU's, 84 frames on average
LONG_REPEATS = 40  # of one: over a thousand frames, the longest clip of NTU has 300
NTU_120_FRAMES = 114_480 * 84
NUM_CORES = 64


def as_published(raw: Path) -> None:
    """Add depth frames masked by the truth, as the data set's authors did, and write all of them as libpng does.

    That is by its defaults; our own files take two thirds of the time to read.
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS]
    for path in sorted(raw.glob(f"{DEPTH_FOLDER}/*/*.png")):
        clip, number = path.parent.name, path.stem.removeprefix("Depth-")
        depth = read_image(path)
        mask = read_image(raw / MASK_FOLDER / clip / f"Mask-{number}.png")[:, :, 0]
        folder = raw / MASKED_FOLDER / clip
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), depth, options)
        cv2.imwrite(str(folder / f"MDepth-{number}.png"), np.where(mask > 0, depth, 0), options)


def part_of(raw: Path, name: str, *folders: str) -> Path:
    """Return a raw folder that holds only these parts of `raw`."""
    part = raw.with_name(name)
    part.mkdir()
    for folder in folders:
        (part / folder).symlink_to(raw / folder)
    return part


def decode(raw: Path) -> None:
    for video in sorted((raw / RGB_FOLDER).iterdir()):
        for _ in decode_video(video):
            pass


def decode_to_rgb(raw: Path) -> None:
    for video in sorted((raw / RGB_FOLDER).iterdir()):
        capture = cv2.VideoCapture(str(video))
        while capture.read()[0]:
            pass


def decode_both(raw: Path) -> None:
    decode_to_rgb(raw)
    for path in raw.glob(f"{DEPTH_FOLDER}/*/*.png"):
        cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def published(raw: Path, out: Path) -> None:
    """Crop and resize frame by frame with OpenCV, as published (docs/method.md, "Published boxes"), in two passes."""
    for video in sorted((raw / RGB_FOLDER).iterdir()):
        clip = video.name.removesuffix(RGB_SUFFIX)
        (out / clip).mkdir(parents=True)
        capture = cv2.VideoCapture(str(video))
        number = 0
        while (read := capture.read())[0]:
            number += 1
            masked = cv2.imread(str(raw / MASKED_FOLDER / clip / f"MDepth-{number:08d}.png"), cv2.IMREAD_UNCHANGED)
            box = legacy_box(masked > 0, (1920, 1080))
            x0, y0, x1, y1 = box or (0, 0, 960, 540)
            jpeg = [cv2.IMWRITE_JPEG_QUALITY, 75]
            cv2.imwrite(str(out / clip / f"{number:06d}.jpg"), read[1][y0:y1, x0:x1], jpeg)
        for path in (out / clip).iterdir():
            cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), (320, 240)), [cv2.IMWRITE_JPEG_QUALITY, 75])


def preprocess(raw: Path, out: Path, *options: str) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        assert ntu(["--raw", str(raw), "--out", str(out), "--jobs", "1", *options]) == 0


def best_seconds(stages: dict[str, Callable[[Path], None]], scratch: Path) -> dict[str, float]:
    """Return the best time of each stage; each gets a folder that does not exist yet."""
    seconds = dict.fromkeys(stages, float("inf"))
    for round_ in track(range(ROUNDS), "measuring", console=Console(stderr=True)):
        for number, (name, stage) in enumerate(stages.items()):
            start = time.perf_counter()
            stage(scratch / f"{round_}.{number}")
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def repeat_recordings(raw: Path, out: Path, clips: Sequence[str], times: int) -> int:
    """Write some recordings of `raw` so many times over below `out`; return the number of frames."""
    num_frames = 0
    for clip in clips:
        frames = list(read_video(raw / RGB_FOLDER / f"{clip}{RGB_SUFFIX}"))
        write_video(out / RGB_FOLDER / f"{clip}{RGB_SUFFIX}", chain.from_iterable(repeat(frames, times)))
        for folder, prefix in ((DEPTH_FOLDER, "Depth"), (MASKED_FOLDER, "MDepth")):
            paths = sorted((raw / folder / clip).iterdir()) * times
            (out / folder / clip).mkdir(parents=True)
            for number, path in enumerate(paths, start=1):
                (out / folder / clip / f"{prefix}-{number:08d}.png").symlink_to(path)
        skeleton = read_skeleton(raw / SKELETON_FOLDER / f"{clip}.skeleton")
        write_skeleton(out / SKELETON_FOLDER / f"{clip}.skeleton", skeleton * times)
        num_frames += len(paths)
    return num_frames


def peak_mb(raw: Path, out: Path) -> int:
    """Return the most memory that the command has held, in a process of its own."""
    # Not the kernel's account of a child, which begins with what its parent holds.
    code = (
        "import sys, preprocess.ntu; preprocess.ntu.main(sys.argv[1:]);"
        "from export.runtimes.machine import peak_memory_mb; print(peak_memory_mb())"
    )
    command = [sys.executable, "-c", code, "--raw", str(raw), "--out", str(out), "--jobs", "1", "--masks", "body"]
    said = subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout
    return round(float(said.split()[-1]))


def run_on(cores: Sequence[int], raw: Path, num_clips: int) -> Callable[[Path], None]:
    """Return what runs the whole command with as many workers as `cores`, on them."""

    def stage(out: Path) -> None:
        options = ["--jobs", str(len(cores)), "--limit", str(num_clips), "--masks", "body"]
        command = [sys.executable, "-m", "preprocess.ntu", "--raw", str(raw), "--out", str(out), *options]
        with on_cores(set(cores)):
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)

    return stage


def report_scaling(cores: Sequence[int], raw: Path, scratch: Path, console: Console) -> None:
    """Measure one and two workers on few clips and on many, so that starting can be told from working."""
    few, many = 10, len(list((raw / RGB_FOLDER).iterdir()))
    stages = {f"{num} {clips}": run_on(cores[:num], raw, clips) for num in (1, 2) for clips in (few, many)}
    seconds = best_seconds(stages, scratch)
    one, two = (seconds[f"{num} {many}"] - seconds[f"{num} {few}"] for num in (1, 2))
    whole = seconds[f"1 {many}"] / seconds[f"2 {many}"]
    console.print(
        f"2 workers on 2 cores are {one / two:.2f} times as fast as 1 on 1, and {whole:.2f} times with the time that "
        f"processes take to start, for these {many} clips"
    )


def multiply(raw: Path, out: Path, copies: int) -> None:
    """Link the recordings of `raw` under more names, as further replications."""
    parts = (RGB_FOLDER, DEPTH_FOLDER, MASKED_FOLDER, SKELETON_FOLDER)
    for path in chain.from_iterable((raw / folder).iterdir() for folder in parts):
        (out / path.parent.name).mkdir(parents=True, exist_ok=True)
        for copy in range(copies):
            (out / path.parent.name / path.name.replace("R001", f"R{copy + 1:03d}")).symlink_to(path)


@contextlib.contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    yield
    os.sched_setaffinity(0, allowed)


def one_core(raw: Path, scratch: Path, console: Console) -> float:
    """Measure and print the stages on one core; return the frames/s of the whole command with skeletons."""
    depth_alone = part_of(raw, "no_skeletons", RGB_FOLDER, DEPTH_FOLDER)
    masks_alone = part_of(raw, "masks_alone", RGB_FOLDER, MASKED_FOLDER)
    stages: dict[str, Callable[[Path], None]] = {
        "decode, frames as stored": lambda _: decode(raw),
        "decode to RGB (OpenCV's read)": lambda _: decode_to_rgb(raw),
        "decode to RGB, and depth (OpenCV)": lambda _: decode_both(raw),
        "the published way, per frame": lambda out: published(raw, out),
        "official masks, skeletons -> JPEG": lambda out: preprocess(raw, out, "--streams", "rgb"),
        "official masks alone -> JPEG": lambda out: preprocess(masks_alone, out, "--streams", "rgb"),
        "skeletons -> JPEG, masked PNG": lambda out: preprocess(raw, out, "--masks", "body"),
        "depth alone -> JPEG, masked PNG": lambda out: preprocess(depth_alone, out, "--masks", "body"),
    }
    seconds = best_seconds(stages, scratch)
    num_frames = len(list(raw.glob(f"{DEPTH_FOLDER}/*/*.png")))
    table = Table("one core", "frames/s", "of decode", "of to RGB", "of both", "of published", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    fps = {name: num_frames / second for name, second in seconds.items()}
    base = list(fps.values())
    for name, value in fps.items():
        table.add_row(name, f"{value:.0f}", *(f"{value / base[other]:.2f}" for other in range(4)))
    console.print(table)
    return base[6]


def report_size(raw: Path, out: Path, fps: float, console: Console) -> None:
    preprocess(raw, out, "--masks", "body")
    num_frames = sum(record.num_frames for record in read_records(out / RECORDS_FILE).values())
    jpeg, png = (sum(path.stat().st_size for path in out.rglob(f"*{suffix}")) for suffix in (".jpg", ".png"))
    per_frame = (jpeg + png) / num_frames
    minutes = NTU_120_FRAMES / fps / NUM_CORES / 60
    console.print(
        f"\n{jpeg / num_frames / 1000:.1f} kB of JPEG and {png / num_frames / 1000:.1f} kB of PNG a frame; all of NTU "
        f"RGB+D 120 ({NTU_120_FRAMES / 1e6:.1f} M frames) on {NUM_CORES} such cores, on paper: {minutes:.0f} minutes, "
        f"{per_frame * NTU_120_FRAMES / 1e9:.0f} GB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10, help="recordings to render (10)")
    options = parser.parse_args()
    console = Console(width=110)
    cores = sorted(os.sched_getaffinity(0))
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        rendered, raw, scratch = (Path(folder) / name for name in ("rendered", "raw", "out"))
        render(["--out", str(rendered), "--clips", str(options.clips)])
        as_published(rendered)
        clips = sorted(path.name for path in (rendered / DEPTH_FOLDER).iterdir())
        repeat_recordings(rendered, raw, clips, REPEATS)
        with on_cores({cores[0]}):
            fps = one_core(raw, scratch, console)
            report_size(raw, scratch / "size", fps, console)
        long, many = Path(folder) / "long", Path(folder) / "many"
        num_frames = repeat_recordings(rendered, long, clips[:1], LONG_REPEATS)
        console.print(
            f"\na recording of {num_frames} frames: a process takes {peak_mb(long, scratch / 'long')} MB at most"
        )
        multiply(raw, many, 6)
        report_scaling(cores, many, scratch / "scaling", console)


if __name__ == "__main__":
    main()
