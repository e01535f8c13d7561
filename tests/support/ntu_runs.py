"""Runs of `preprocess.ntu`, in this process or in one of their own, and what they have written."""

import subprocess
import sys
from pathlib import Path

from preprocess.ntu.dataset import main
from rgbd.dataset.layouts import NTU
from rgbd.dataset.records import RECORDS_FILE, read_records


def run(raw: Path, out: Path, *options: str) -> int:
    """Return the exit code of a run in this process."""
    return main(["--raw", str(raw), "--out", str(out), "--jobs", "1", *options])


def start(raw: Path, out: Path, *options: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start the command with two workers, behind the words of `prefix`; its errors are in a pipe."""
    command = [
        *prefix,
        sys.executable,
        "-m",
        "preprocess.ntu",
        "--raw",
        str(raw),
        "--out",
        str(out),
        "--jobs",
        "2",
        *options,
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def output_of(out: Path, clip: str) -> list[Path]:
    """Return the folders, one for each stream, that hold a clip's frames."""
    return [*out.glob(f"Images/*{clip}*"), *out.glob(f"nturgb+d_depth_masked/*{clip}*")]


def times_of(out: Path) -> dict[str, int]:
    """Return when each clip that is recorded as done was written."""
    done = [clip for clip, record in read_records(out / RECORDS_FILE).items() if record.status == "done"]
    return {clip: NTU.frame_path(out, "rgb", clip, 0).stat().st_mtime_ns for clip in done}
