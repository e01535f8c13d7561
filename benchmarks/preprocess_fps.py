"""Frames per second of `preprocess.ntu` at 1920x1080, beside merely decoding the same videos and the published way.

Run: `python -m benchmarks.preprocess_fps [--clips 10]` on Linux. One core, but for the last table; the rows of a table
alternate in one run and the best of three rounds counts, because machines are shared.
"""

import argparse
import contextlib
import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from preprocess.frames import decode_video, read_image, read_video, write_image, write_video
from preprocess.ntu import main as ntu
from preprocess.ntu_clip import DEPTH_FOLDER, MASKED_FOLDER, RGB_FOLDER, RGB_SUFFIX, SKELETON_FOLDER
from preprocess.records import RECORDS_FILE, read_records
from preprocess.roi import legacy_box
from preprocess.skeleton import read_skeleton, write_skeleton
from preprocess.synthetic.__main__ import main as render
from preprocess.synthetic.recording import MASK_FOLDER

ROUNDS = 3
LONG_REPEATS = 40  # of one recording: over a thousand frames, the longest clip of NTU has 300
NTU_120_FRAMES = 114_480 * 84  # REFERENCE.md section 9
NUM_CORES = 64


def add_official_masks(raw: Path) -> None:
    """Write depth frames masked by the truth where the data set's authors would have put theirs."""
    for path in sorted(raw.glob(f"{DEPTH_FOLDER}/*/*.png")):
        clip, number = path.parent.name, path.stem.removeprefix("Depth-")
        mask = read_image(raw / MASK_FOLDER / clip / f"Mask-{number}.png")[:, :, 0]
        folder = raw / MASKED_FOLDER / clip
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"MDepth-{number}.png", np.where(mask > 0, read_image(path), 0).astype(np.uint16))


def part_of(raw: Path, name: str, *folders: str) -> Path:
    """Return a raw folder that holds only these parts of `raw`."""
    part = raw.with_name(name)
    part.mkdir()
    for folder in folders:
        (part / folder).symlink_to(raw / folder)
    return part


def decode(raw: Path) -> None:
    for video in sorted((raw / RGB_FOLDER).iterdir()):
        for _ in decode_video(video, num_threads=1):
            pass


def decode_to_rgb(raw: Path) -> None:
    for video in sorted((raw / RGB_FOLDER).iterdir()):
        capture = cv2.VideoCapture(str(video))
        while capture.read()[0]:
            pass


def published(raw: Path, out: Path) -> None:
    """Crop and resize frame by frame with OpenCV, as REFERENCE.md section 7 describes it, in its two passes."""
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


def write_long_recording(raw: Path, out: Path) -> int:
    """Repeat the first recording of `raw` many times over; return the number of frames."""
    clip = min(path.name for path in (raw / DEPTH_FOLDER).iterdir())
    frames = list(read_video(raw / RGB_FOLDER / f"{clip}{RGB_SUFFIX}"))
    depth = sorted((raw / DEPTH_FOLDER / clip).iterdir())
    write_video(out / RGB_FOLDER / f"{clip}{RGB_SUFFIX}", chain.from_iterable(repeat(frames, LONG_REPEATS)))
    folder = out / DEPTH_FOLDER / clip
    folder.mkdir(parents=True)
    for number in range(len(depth) * LONG_REPEATS):
        (folder / f"Depth-{number + 1:08d}.png").symlink_to(depth[number % len(depth)])
    skeleton = read_skeleton(raw / SKELETON_FOLDER / f"{clip}.skeleton")
    write_skeleton(out / SKELETON_FOLDER / f"{clip}.skeleton", skeleton * LONG_REPEATS)
    return len(depth) * LONG_REPEATS


def run_command(raw: Path, out: Path, num_workers: int) -> float:
    """Return the seconds of the whole command in a process of its own."""
    command = [sys.executable, "-m", "preprocess.ntu", "--raw", str(raw), "--out", str(out), "--jobs", str(num_workers)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def multiply(raw: Path, out: Path, copies: int) -> None:
    """Link the recordings of `raw` under more names, as further replications."""
    for path in chain.from_iterable((raw / folder).iterdir() for folder in (RGB_FOLDER, DEPTH_FOLDER, SKELETON_FOLDER)):
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
        "the published way, per frame": lambda out: published(raw, out),
        "official masks, skeletons -> JPEG": lambda out: preprocess(raw, out, "--streams", "rgb"),
        "official masks alone -> JPEG": lambda out: preprocess(masks_alone, out, "--streams", "rgb"),
        "skeletons -> JPEG, masked PNG": lambda out: preprocess(raw, out, "--masks", "body"),
        "depth alone -> JPEG, masked PNG": lambda out: preprocess(depth_alone, out, "--masks", "body"),
    }
    seconds = best_seconds(stages, scratch)
    num_frames = len(list(raw.glob(f"{DEPTH_FOLDER}/*/*.png")))
    table = Table("one core", "frames/s", "of decode", "of decode to RGB", "of published", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    fps = {name: num_frames / second for name, second in seconds.items()}
    base = list(fps.values())
    for name, value in fps.items():
        table.add_row(name, f"{value:.0f}", *(f"{value / base[other]:.2f}" for other in range(3)))
    console.print(table)
    return base[5]


def report_size(raw: Path, out: Path, fps: float, console: Console) -> None:
    preprocess(raw, out, "--masks", "body")
    num_frames = sum(record.num_frames for record in read_records(out / RECORDS_FILE).values())
    jpeg, png = (sum(path.stat().st_size for path in out.rglob(f"*{suffix}")) for suffix in (".jpg", ".png"))
    per_frame = (jpeg + png) / num_frames
    hours = NTU_120_FRAMES / fps / NUM_CORES / 3600
    console.print(
        f"\n{jpeg / num_frames / 1000:.1f} kB of JPEG and {png / num_frames / 1000:.1f} kB of PNG a frame; all of NTU "
        f"RGB+D 120 ({NTU_120_FRAMES / 1e6:.1f} M frames) on {NUM_CORES} such cores, on paper: {hours:.1f} hours, "
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
        raw, scratch = Path(folder) / "raw", Path(folder) / "out"
        render(["--out", str(raw), "--clips", str(options.clips)])
        add_official_masks(raw)
        with on_cores({cores[0]}):
            fps = one_core(raw, scratch, console)
            report_size(raw, scratch / "size", fps, console)
        long, many = Path(folder) / "long", Path(folder) / "many"
        num_frames = write_long_recording(raw, long)
        run_command(long, scratch / "long", 2)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        console.print(f"\na recording of {num_frames} frames: a process takes {peak:.0f} MB at most")
        multiply(raw, many, 6)
        seconds = best_seconds(
            {str(jobs): lambda out, jobs=jobs: run_command(many, out, jobs) for jobs in (1, 2)},  # type: ignore[misc]
            scratch / "scaling",
        )
        console.print(
            f"{len(cores)} cores, whole command: 2 workers are {seconds['1'] / seconds['2']:.2f} times as fast as 1"
        )


if __name__ == "__main__":
    main()
