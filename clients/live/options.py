"""What `python -m clients live` takes; it needs no more than the client, so that its help always does."""

import argparse
from pathlib import Path
from typing import Any

_PEOPLE = ("largest", "nearest", "all", "whole")


def add_live(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", shared: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "live",
        parents=[shared],
        help="follow a camera, or a recording as if it were one",
        description="Send frames as they are taken, and show what the service sees in them.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--rgb-depth", type=Path, metavar="FILE", help="replay a video with a track of each")
    source.add_argument("--rgb", type=Path, metavar="FILE", help="replay a video; with --depth, two")
    source.add_argument("--camera", metavar="NUMBER", help="a camera for colour, such as 0")
    source.add_argument("--rtsp", metavar="URL", help="a camera on the network")
    source.add_argument("--realsense", action="store_true", help="colour and depth of a RealSense camera")
    parser.add_argument("--depth", type=Path, metavar="FILE", help="replay depth, a video of 16-bit grey")
    parser.add_argument("--speed", type=float, default=1.0, help="of a replay (%(default)g)")
    parser.add_argument("--window-s", type=float, help="seconds of a window (as the training clips)")
    parser.add_argument("--every", type=int, help="an answer comes every so many sampled frames")
    parser.add_argument("--top-k", type=int, default=5, help="how many labels (%(default)s)")
    parser.add_argument(
        "--people", metavar="WHOM", help=f"{', '.join(_PEOPLE)}, or a person's number (as the model was trained)"
    )
    parser.add_argument("--accepted", type=float, metavar="SHARE", help="of known motions, taken for known (0.95)")
    parser.add_argument("--model", metavar="NAME", help="which model, where several are served")
    parser.add_argument("--model-version", metavar="VERSION", help="which version of it (the newest)")
    parser.add_argument("--depth-scale-mm", type=float, help="millimetres of one unit of depth, where it is not 1")
    parser.add_argument("--depth-camera", metavar="NAME", help="such as d435 (the likeliest)")
    parser.add_argument("--prepared", choices=("yes", "no"), help="whether frames are prepared (as they look)")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for all that is said")


def asked_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what is asked about the stream."""
    people = options.people
    return {
        "model": options.model,
        "version": options.model_version,
        "window_s": options.window_s,
        "every": options.every,
        "top_k": options.top_k,
        "people": int(people) if people and people.isdecimal() else people,
        "accepted": options.accepted,
        "depth_scale_mm": options.depth_scale_mm,
        "camera": options.depth_camera,
        "prepared": None if options.prepared is None else options.prepared == "yes",
    }
