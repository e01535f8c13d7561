"""What the demonstration's bundle makes of recordings as the camera wrote them, beside the same ones prepared.

Run: `make demo`, then `python -m benchmarks.raw_uploads`. Every clip of the performers that no network has seen goes
through POST /predict, prepared, raw, with one stream of each kind, and raw but said to be prepared; counted is how many
are named rightly, and how many answers warn that the clip looks unlike the training clips.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients.client import Client
from demo import running_service
from preprocess.ntu.recording import DEPTH_FOLDER, RGB_FOLDER, RGB_SUFFIX
from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import SplitEntry, read_split
from rgbd.types import Stream

KINDS = ("prepared", "raw")


def path_of(folder: Path, clip: str, stream: Stream, kind: str) -> Path:
    """Return where a stream of a clip lies."""
    if kind == "prepared":
        return NTU.frame_path(folder / "data", stream, clip, 0).parent
    raw = folder / "raw"
    return raw / RGB_FOLDER / f"{clip}{RGB_SUFFIX}" if stream == "rgb" else raw / DEPTH_FOLDER / clip


def ask(
    client: Client, folder: Path, entry: SplitEntry, rgb: str, depth: str, *, prepared: bool | None
) -> tuple[bool, bool]:
    """Return whether the answer to a clip is right, and whether it warns."""
    paths = (path_of(folder, entry.clip, "rgb", rgb), path_of(folder, entry.clip, "depth", depth))
    answer = client.predict(*paths, top_k=1, prepared=prepared)
    is_warned = any("does not look like the clips" in warning for warning in answer.warnings)
    return answer.predictions[0].index == entry.label, is_warned


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="of the demonstration (demo)")
    folder: Path = parser.parse_args().folder
    console = Console(width=100, highlight=False)
    if not (folder / "bundle" / "bundle.json").exists():
        console.print(f"{folder}: holds no bundle; run `make demo` first")
        return
    entries = read_split(NTU.split_file(folder / "data", "valid", "CS"), NTU)
    ways: list[tuple[str, str, bool | None]] = [(rgb, depth, None) for rgb in KINDS for depth in KINDS]
    table = Table("rgb", "depth", "said of it", "named rightly", "warned of", title=f"{len(entries)} clips", box=None)
    with running_service(folder / "bundle") as url, Client(url) as client:
        for rgb, depth, prepared in (*ways, ("raw", "raw", True)):
            title = f"{rgb} rgb, {depth} depth"
            answers = [
                ask(client, folder, entry, rgb, depth, prepared=prepared)
                for entry in track(entries, title, console=console)
            ]
            right, warned = (sum(column) / len(entries) for column in zip(*answers, strict=True))
            table.add_row(rgb, depth, "prepared" if prepared else "", f"{right:.1%}", f"{warned:.1%}")
    console.print(table)


if __name__ == "__main__":
    main()
