"""A run's folder: who owns it, what a run leaves in it, and which start of torchrun began the run in it."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from rgbd.errors import UserError, reason_of
from rgbd.files import atomic_file, remove_leftovers
from rgbd.locks import LOCK_FILE, locked
from training.run.checkpoint_files import REPORT_FILE
from training.run.distributed import Process, gather, raised_everywhere
from training.run.history import HISTORY_FILE, TENSORBOARD_FOLDER

CONFIG_FILE = "config.yml"
_LAUNCH_FILE = "launch.json"

_RUN_FILES = re.compile(
    r"(last|best|previous)\.(pt|json)|epoch-\d{3,}\.pt|(scores|metrics)-(train|valid|test)\.(npz|json)|"
    rf"{re.escape(HISTORY_FILE)}|{re.escape(_LAUNCH_FILE)}|{TENSORBOARD_FOLDER}"
)
_WRITTEN = re.compile(rf"{_RUN_FILES.pattern}|{re.escape(CONFIG_FILE)}|{re.escape(REPORT_FILE)}")


class Launch(BaseModel):
    """Which run the processes of one start of torchrun are at: those that it starts again know it by this as theirs."""

    model_config = ConfigDict(frozen=True)

    run: str
    agents: frozenset[str]  # one a node; nodes come and go, so that one in common is enough


@contextmanager
def owned(folder: Path, process: Process) -> Iterator[None]:
    """Own a run's folder for the length of the block; what killed runs have left half-written in it is removed.

    Raises `UserError`, the same one in every process, where another run owns it or it cannot be written.
    """
    with ExitStack() as stack:
        with raised_everywhere(process):
            if process.is_main:
                try:
                    stack.enter_context(locked(folder / LOCK_FILE, folder))
                    remove_leftovers(folder, _WRITTEN)
                except OSError as error:
                    reason = reason_of(error)
                    raise UserError(f"{folder}: cannot be written ({reason}); name another out") from error
        yield


def run_files(folder: Path) -> list[Path]:
    """Return what a run has left in its folder, its configuration and its report apart."""
    return [path for path in sorted(folder.glob("*")) if _RUN_FILES.fullmatch(path.name)]


def results_of(folder: Path) -> list[Path]:
    """Return what a run has left that another one may not take the place of unasked.

    One that has diverged leaves what it has logged, and is begun again with other settings.
    """
    logged = (HISTORY_FILE, TENSORBOARD_FOLDER, _LAUNCH_FILE)
    return [path for path in run_files(folder) if path.name not in logged]


def remove_run(folder: Path) -> None:
    """Remove what an earlier run has left in its folder, so that nobody takes it for the next one's."""
    (folder / "last.pt").unlink(missing_ok=True)  # first: what is left of a run without it, nothing goes on from
    for path in run_files(folder):
        if path.name not in (TENSORBOARD_FOLDER, _LAUNCH_FILE):
            path.unlink()
    for path in (folder / TENSORBOARD_FOLDER).glob("events.out.tfevents.*"):
        path.unlink()
    (folder / REPORT_FILE).unlink(missing_ok=True)


def agents_here(process: Process) -> frozenset[str]:
    """Return which starts of torchrun, one a node, have started these processes; none without torchrun."""
    # .../<id>_<random>/attempt_<n>/<rank>/error.json: torchrun makes the first of these folders when it starts, and
    # keeps it. Its id alone may be one that the user gives to every start, and it counts restarts on one node only.
    error_file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    mine = f"{socket.gethostname()}:{Path(error_file).parents[2]}" if error_file else ""
    return frozenset(gather(mine, process)) - {""}


def read_launch(folder: Path) -> Launch | None:
    """Return what `write_launch` has written, if that is there."""
    try:
        return Launch.model_validate_json((folder / _LAUNCH_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_launch(folder: Path, launch: Launch) -> None:
    """Write which run the processes of this start of torchrun are at; without torchrun, none are."""
    if not launch.agents:
        (folder / _LAUNCH_FILE).unlink(missing_ok=True)
        return
    with atomic_file(folder / _LAUNCH_FILE) as temporary:
        temporary.write_text(launch.model_dump_json() + "\n", encoding="utf-8")
