"""`python -m preprocess.synthetic`: rendered recordings in the NTU RGB+D layout, to try the whole product with."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from preprocess.ntu.recording import DEPTH_FOLDER, RGB_FOLDER, SKELETON_FOLDER
from preprocess.pipeline.process_engine import run_jobs
from preprocess.synthetic.motion_sets import HARD, MOTION_SETS, STANDARD
from preprocess.synthetic.recording import MASK_FOLDER, RecordingJob, clip_name, write_recording
from rgbd.dataset.splits import CLASS_NAMES_FILE, read_class_names, write_class_names
from rgbd.errors import DatasetError, reason_of
from rgbd.locks import LOCK_FILE, locked
from rgbd.terminal import program, run_command, say

_MIN_SCALE = 0.05
_MARK = "rendered.txt"
_MARK_TEXT = "python -m preprocess.synthetic has rendered these recordings, and may write them again.\n"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code, 0."""
    options = _parser().parse_args(arguments)
    out: Path = options.out
    motions = MOTION_SETS[options.motions]
    jobs = [RecordingJob(out, index, options.seed, options.scale, motions) for index in range(options.clips)]
    _check_own(out, motions.class_names)
    try:
        with locked(out / LOCK_FILE, out):
            (out / _MARK).write_text(_MARK_TEXT, encoding="utf-8")
            write_class_names(out, motions.class_names)
            run_jobs(write_recording, jobs, options.jobs, "rendering recordings")
    except OSError as error:
        reason = f"cannot be written ({reason_of(error)})"
        raise DatasetError(f"--out {out}: {reason}; make room there, or name another folder") from error
    say(f"{len(jobs)} recordings below {out}; next: python -m preprocess.ntu --raw {out} --out data")
    return 0


def is_rendered(folder: Path) -> bool:
    """Return whether this command has made a folder."""
    return (folder / _MARK).exists()


def _check_own(out: Path, class_names: tuple[str, ...]) -> None:
    """Raise `DatasetError` where a folder holds anything but what this command has made, of these motions."""
    if out.is_dir() and any(out.iterdir()) and not is_rendered(out):
        raise DatasetError(
            f"--out {out}: holds files of somebody else's, recordings perhaps; name another folder, a new or empty one"
        )
    if read_class_names(out) not in (None, class_names):
        raise DatasetError(
            f"--out {out}: holds recordings of other motions; name another folder, or the same --motions"
        )
    if links := [path for path in out.glob("*") if path.is_symlink()]:
        raise DatasetError(
            f"--out {out}: {links[0].name} leads elsewhere, where nothing is written; name another folder"
        )


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  A{number:03d}  {name}" for number, name in enumerate(STANDARD.class_names, start=1))
    parser = argparse.ArgumentParser(
        prog=program("preprocess.synthetic"),
        description="Render recordings of motions like NTU RGB+D's, with skeletons and true masks.",
        epilog=f"""Below the folder:
  {RGB_FOLDER}/<clip>_rgb.avi
      1920x1080
  {DEPTH_FOLDER}/<clip>/Depth-%08d.png
      512x424, 16-bit millimetres, with noise and holes
  {SKELETON_FOLDER}/<clip>.skeleton
      25 joints a person
  {MASK_FOLDER}/<clip>/Mask-%08d.png
      the truth: 255 where depth is a person's
  class_names.txt, {_MARK}
where <clip> runs through actions, then performers, then set-ups:
{clip_name(0)}, {clip_name(1)}, ...
The same motions, seed and scale give the same files, however many clips and
jobs; clips that exist are written again. The folder is a new or empty one, or
one that this command has made, of the same motions.

The standard motions. Depth alone tells A001 from A002 and A003 from A004,
colour alone A005 from A006 and A007 from A008:
{names}

The {len(HARD.class_names)} hard motions take both streams and the order of frames.
{CLASS_NAMES_FILE} names them, and docs/preprocessing.md,
"Rendered recordings", says how they differ.""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the recordings are written")
    parser.add_argument(
        "--motions", choices=MOTION_SETS, default="standard", help="which are performed (default: standard)"
    )
    parser.add_argument(
        "--clips",
        type=_whole_from(1),
        default=100,
        metavar="N",
        help="how many (default: 100); every performer does every motion once in 100, or in 400 of the hard ones",
    )
    parser.add_argument(
        "--seed", type=_whole_from(0), default=0, metavar="S", help="another seed, other clips (default: 0)"
    )
    parser.add_argument(
        "--scale", type=_scale, default=1.0, metavar="X", help=f"size of all images, {_MIN_SCALE} to 1 (default: 1)"
    )
    parser.add_argument(
        "--jobs", type=_whole_from(1), default=os.cpu_count() or 1, metavar="J", help="processes (default: all cores)"
    )
    return parser


def _whole_from(lowest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < lowest:
            raise argparse.ArgumentTypeError(f"expected a whole number from {lowest}, got {text!r}")
        return int(text)

    return parse


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not _MIN_SCALE <= scale <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from {_MIN_SCALE} to 1, got {text!r}")
    return scale


if __name__ == "__main__":
    run_command(main)
