"""`make demo`: from rendered recordings to answers over HTTP, with the same commands that real recordings take."""

import argparse
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from clients.client import Client
from preprocess.ntu.recording import DEPTH_FOLDER, RGB_FOLDER, RGB_SUFFIX
from preprocess.synthetic.__main__ import is_rendered
from rgbd.dataset.layouts import NTU
from rgbd.dataset.splits import SplitEntry, read_split
from rgbd.errors import UserError
from rgbd.terminal import run_command

_CONFIG = "configs/demo.yml"
_FUSION_EPOCHS = 5  # it starts from two trained streams
_INSTALL_SECONDS = Path(".venv/.installed")  # written by the Makefile

# What the demonstration promises of performers whom no network has seen.
_MIN_ACCURACY, _MIN_GAIN = 0.90, 0.10
_MAX_LOSS = 0.01  # where recordings come as the camera wrote them

console = Console(highlight=False)


@dataclass(frozen=True)
class Stage:
    """A finished stage, for the table."""

    name: str
    seconds: float


class Demo:
    """One run of the whole product in a folder of its own."""

    def __init__(self, folder: Path, num_clips: int, scale: float) -> None:
        self._folder, self._num_clips, self._scale = folder, num_clips, scale
        self.raw, self.data, self.bundle = (folder / name for name in ("raw", "data", "bundle"))
        self.stages: list[Stage] = []
        if _INSTALL_SECONDS.exists():
            self.stages.append(Stage("install", float(_INSTALL_SECONDS.read_text() or 0)))

    def run(self) -> int:
        """Run all stages, print the table, and return 0 when the promise is kept, 1 when it is not."""
        self._remove_old()
        render = ("--out", self.raw, "--clips", self._num_clips, "--scale", self._scale)
        self._command("render recordings", "preprocess.synthetic", *render)
        self._command("preprocess", "preprocess.ntu", "--raw", self.raw, "--out", self.data, "--mutual-actions")
        for stream in ("rgb", "depth"):
            self._command(f"train {stream}", "training.main", *self._training(stream, stream))
        streams = {f"streams.{stream}": self._checkpoint(stream) for stream in ("rgb", "depth")}
        self._command(
            "train fusion",
            "training.main",
            *self._training("fusion", "rgbd", **{"schedule.epochs": _FUSION_EPOCHS}, **streams),
        )
        clips = ("--data", self.data, "--calibration", self.data)
        self._command("export", "export", "--checkpoint", self._checkpoint("fusion"), "--out", self.bundle, *clips)
        accuracy = {stream: self._evaluated(stream) for stream in ("rgb", "depth")}
        accuracy |= self._classify()
        self._print_table(accuracy)
        prepared, raw = accuracy["fusion"], accuracy["fusion, raw recordings"]
        if prepared < _MIN_ACCURACY or prepared - max(accuracy["rgb"], accuracy["depth"]) < _MIN_GAIN:
            console.print(f"[red]expected fusion at {_MIN_ACCURACY:.0%} and {_MIN_GAIN:.0%} above either stream[/]")
            return 1
        if prepared - raw > _MAX_LOSS:
            console.print(f"[red]expected raw recordings to lose {_MAX_LOSS:.0%} at most[/]")
            return 1
        return 0

    def _training(self, name: str, modality: str, **settings: object) -> tuple[str, ...]:
        settings = {"modality": modality, "out": self._folder / "runs" / name, "data.root": self.data, **settings}
        overrides = (("--set", f"{key}={value}") for key, value in settings.items())
        return ("--config", _CONFIG, *(word for override in overrides for word in override))

    def _checkpoint(self, name: str) -> Path:
        # The last epoch's weights: to choose the best by the unseen performers would be to have seen them.
        return self._folder / "runs" / name / "last.pt"

    def _evaluated(self, name: str) -> float:
        return float(json.loads(self._checkpoint(name).with_suffix(".json").read_text())["top1"])

    def _remove_old(self) -> None:
        """Remove what an earlier demonstration has left; raises `UserError` where it was none."""
        old = [path for name in ("raw", "data", "runs", "bundle") if (path := self._folder / name).exists()]
        if old and not is_rendered(self.raw):
            raise UserError(f"{old[0]}: is no earlier demonstration's; move it, or name another --folder")
        for path in reversed(old):  # what tells whose they are goes last
            shutil.rmtree(path)

    def _command(self, name: str, module: str, *arguments: object) -> None:
        words = [str(argument) for argument in arguments]
        with self._stage(name):
            console.print(f"[dim]python -m {module} {' '.join(words)}[/]", soft_wrap=True)
            exit_code = _run(module, words)
        if exit_code:
            raise UserError(f"the stage {name!r} ended with exit code {exit_code}; see above")

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        console.rule(f"[bold]{name}", align="left")
        start = time.perf_counter()
        yield
        self.stages.append(Stage(name, time.perf_counter() - start))

    def _classify(self) -> dict[str, float]:
        """Return the share of unseen performers' clips that the service names rightly: prepared, and raw ones."""
        entries = read_split(NTU.split_file(self.data, "valid", "CS"), NTU)
        kinds = {"fusion": self._prepared, "fusion, raw recordings": self._raw}
        with self._stage("classify over HTTP"), running_service(self.bundle) as url, Client(url) as client:
            console.print(f"[dim]POST {url}/predict, {len(entries)} clips of performers never seen[/]")
            return {
                name: sum(_is_right(client, entry, *paths(entry)) for entry in track(entries, name, console=console))
                / len(entries)
                for name, paths in kinds.items()
            }

    def _prepared(self, entry: SplitEntry) -> tuple[Path, Path]:
        rgb, depth = (NTU.frame_path(self.data, stream, entry.clip, 0).parent for stream in NTU.streams)
        return rgb, depth

    def _raw(self, entry: SplitEntry) -> tuple[Path, Path]:
        return self.raw / RGB_FOLDER / f"{entry.clip}{RGB_SUFFIX}", self.raw / DEPTH_FOLDER / entry.clip

    def _print_table(self, accuracy: dict[str, float]) -> None:
        console.rule()
        scores = Table("unseen performers", "accuracy", "measured by", box=None, pad_edge=False)
        for name, share in accuracy.items():
            scores.add_row(
                name, f"{share:.1%}", "POST /predict" if name.startswith("fusion") else "training's evaluation"
            )
        seconds = Table("stage", "seconds", box=None, pad_edge=False)
        for stage in self.stages:
            seconds.add_row(stage.name, f"{stage.seconds:.0f}")
        seconds.add_row("[bold]together", f"[bold]{sum(stage.seconds for stage in self.stages):.0f}")
        for table in (scores, seconds):
            table.columns[1].justify = "right"
            console.print(table)
            console.print()
        console.print("[bold]make serve[/] starts the service again and keeps it, at http://127.0.0.1:8000")


def _is_right(client: Client, entry: SplitEntry, rgb: Path, depth: Path) -> bool:
    return client.predict(rgb, depth, top_k=1).predictions[0].index == entry.label


def _run(module: str, words: list[str]) -> int:
    process = subprocess.Popen([sys.executable, "-m", module, *words])
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # it was interrupted too, and has to clear up
        raise


@contextmanager
def running_service(bundle: Path) -> Iterator[str]:
    """Serve `bundle` on a free port while the block runs; yields the address."""
    command = [sys.executable, "-u", "-m", "serve", "--bundle", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            url = next(match[1] for line in process.stderr if (match := re.search(r"open (http://[\d.:]+)", line)))
            # It says a line for each request: unread, they would fill the pipe and stop it.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield url
        except StopIteration as error:
            raise UserError("the service ended before it listened; run `make serve` to see why") from error
        finally:
            process.terminate()


def main() -> int:
    """Run the demonstration; returns its exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where everything is written (demo)")
    parser.add_argument("--clips", type=int, default=300, help="recordings to render (300)")
    parser.add_argument("--scale", type=float, default=0.35, help="size of their images (0.35)")
    options = parser.parse_args()
    return Demo(options.folder, options.clips, options.scale).run()


if __name__ == "__main__":
    run_command(main)
