"""`python -m rgbd convert IN OUT.mkv`: a recording as one Matroska file, which is read back and compared bit for bit.

Colour and depth are stored losslessly, with their own times and what the source says of its cameras. A file that is
not as its source was is never put into place.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from rgbd.commands.inputs import add_input_options, input_files, open_inputs
from rgbd.errors import ConfigError, DamagedError, UserError
from rgbd.overlap import check_apart, with_links
from rgbd.recording.formats import FILE_FORMATS
from rgbd.recording.limits import Limits
from rgbd.recording.matroska import Step, WrittenTrack, write_matroska
from rgbd.recording.streams import MiscountedError, StreamReader
from rgbd.recording.tracks import listed
from rgbd.terminal import progress_bar, say
from rgbd.types import Stream

_DESCRIPTIONS: dict[Step, str] = {"write": "writing frames", "compare": "comparing them"}
_MOST_COUNTS = 3  # a stream is counted rightly once it has been read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is read, and where it goes."""
    parser.usage = "%(prog)s (IN | --rgb FILE --depth FILE) OUT.mkv [options]"
    parser.epilog = (
        f"IN, and either FILE, is a folder of images, or a file: {FILE_FORMATS}. Exit codes: 0 written, 2 nothing "
        "written, 130 stopped by Ctrl-C."
    )
    parser.add_argument("recording", type=Path, metavar="IN", help="the recording, of one stream or of both")
    out = parser.add_argument("out", type=Path, metavar="OUT.mkv", help="the file to write")
    out.required = False  # where IN is not there it has that place; `nargs="?"` would want both side by side
    add_input_options(parser)
    parser.add_argument(
        "--fps", type=_rate, metavar="N", help="frames a second of images and arrays, which know no times"
    )
    parser.add_argument("--depth-fps", type=_rate, metavar="N", help="the same of depth, where it differs")
    parser.add_argument(
        "--accept-short",
        action="store_true",
        help="take what can be read of a recording that was cut or damaged, with a warning",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT.mkv where it exists")


def run(options: argparse.Namespace) -> int:
    """Convert a recording; returns the exit code."""
    recording, out = (options.recording, options.out) if options.out else (None, options.recording)
    _check_out(out, input_files(recording, options), overwrite=options.overwrite)
    limits = Limits(on_damage="skip" if options.accept_short else "refuse")
    with _remedy_for_damage(accepted=options.accept_short):
        given = open_inputs(recording, options, limits)
        chosen = given.choose()
        tracks = _write(out, chosen, {"rgb": options.fps, "depth": options.depth_fps or options.fps})
    _warn(tracks)
    if (options.fps or options.depth_fps) and all(track.stream.fps or track.stream.times_s for track in tracks):
        say("warning: the recording knows its times, which were kept; --fps is for those that do not")
    _print(out, tracks, [reader for reader, _ in given.streams() if reader not in chosen.values()])
    return 0


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.001 <= rate <= 1000:
        raise argparse.ArgumentTypeError(f"expected frames a second, 0.001 to 1000, got {text!r}")
    return rate


def _check_out(out: Path, inputs: Mapping[Stream, Path], *, overwrite: bool) -> None:
    if out.suffix.lower() != ".mkv":
        raise ConfigError(f"{out}: is no name of a Matroska file; let it end in .mkv")
    check_apart([out], with_links(dict.fromkeys(inputs.values())), option="OUT.mkv")
    if out.is_dir():
        raise ConfigError(f"{out}: is a folder; name a file")
    if out.exists() and not overwrite:
        raise ConfigError(f"{out}: exists already; name another file, or replace it: --overwrite")


@contextmanager
def _remedy_for_damage(*, accepted: bool) -> Iterator[None]:
    try:
        yield
    except DamagedError as error:
        if accepted:
            raise
        raise DamagedError(f"{error}, or take what there is of it: --accept-short") from error


def _write(out: Path, streams: Mapping[Stream, StreamReader], fps: Mapping[Stream, float | None]) -> list[WrittenTrack]:
    for _ in range(_MOST_COUNTS):
        with progress_bar() as progress, suppress(MiscountedError):
            return write_matroska(out, streams, fps, _advance(progress, streams))
    names = " and ".join(dict.fromkeys(reader.name for reader in streams.values()))
    raise UserError(f"{names}: has another number of frames each time it is read; copy it again")


def _advance(progress: Progress, streams: Mapping[Stream, StreamReader]) -> Callable[[Step], None]:
    """Return what shows that a frame more was written, or compared."""
    num_frames = sum(reader.num_frames for reader in streams.values())
    tasks = {step: progress.add_task(said, total=num_frames, start=False) for step, said in _DESCRIPTIONS.items()}

    def advance(step: Step) -> None:
        progress.start_task(tasks[step])
        progress.advance(tasks[step])

    return advance


def _warn(tracks: Sequence[WrittenTrack]) -> None:
    for track in tracks:
        stream = track.stream
        warnings = [*stream.notes, *stream.damage]
        if track.farthest_ms > 1:
            warnings.append(f"frames of one millisecond were moved by up to {track.farthest_ms:.1f} ms")
        if not track.is_timed:
            warnings.append("nobody knows when its frames were taken; --fps says it")
        for warning in warnings:
            say(f"warning: {track.title}: {warning}")


def _print(out: Path, tracks: Sequence[WrittenTrack], left: Sequence[StreamReader]) -> None:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, read back and equal")
    for track in tracks:
        console.print(f"  {track.title}: {_described(track)}")
    if left:
        console.print(f"  left out: {listed(left)}")


def _described(track: WrittenTrack) -> str:
    stream, camera = track.stream, track.stream.camera
    first_s, last_s = track.times_ms[0] / 1000, track.times_ms[-1] / 1000
    unit = f"{stream.unit_mm:g} mm a unit" if stream.unit_mm else "unit not known" if stream.is_depth else ""
    parts = [
        f"{len(track.digests)} frame{'s' if len(track.digests) > 1 else ''} of {stream.size[0]}x{stream.size[1]}",
        f"{first_s:.3f} to {last_s:.3f} s" if track.is_timed else "times not known",
        unit,
        f"lens {'known' if camera.intrinsics else 'not known'}",
        f"place {'known' if camera.to_reference else 'not known'}",
    ]
    return ", ".join(filter(None, parts))
