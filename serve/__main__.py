"""`python -m serve --bundle FOLDER`: the HTTP service."""

import argparse
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI
from rich.console import Console

from preprocess.errors import UserError, run_command
from serve.app import create_app
from serve.loading import load_models
from serve.repository import Repository
from serve.service import Service
from serve.settings import add_flags, read_settings

_CLOSE_S = 3  # after the last answer connections are closed: what still arrives on them would be sent away


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; returns 0 when all requests at work were answered."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    settings = read_settings(options)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"settings: {settings.described()}", markup=False)
    models = load_models(settings)
    listener = _listen(settings.host, settings.port)
    _announce(console, models)
    host, port = listener.getsockname()[:2]
    if command == "check":
        listener.close()
        console.print(f"all is well; the service would listen on http://{host}:{port}")
        return 0
    console.print(f"open [bold]http://{host}:{port}[/], or http://{host}:{port}/docs; Ctrl-C stops")
    _DrainingServer(create_app(models, settings)).run(sockets=[listener])
    return 0


class _DrainingServer(uvicorn.Server):
    """Told to stop, it answers the requests at work and sends new ones away; told again, it stops."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_CLOSE_S))
        self._service: Service = app.state.service
        self._drained_by = float("inf")

    def handle_exit(self, _signal: int, _frame: FrameType | None) -> None:
        """Take Ctrl-C or SIGTERM."""
        self.should_exit = self._service.is_draining
        self._drained_by = time.monotonic() + self._service.settings.drain_s
        self._service.drain()

    async def on_tick(self, counter: int) -> bool:
        """Return whether it is time to close; asked ten times a second."""
        is_drained = self._service.is_draining and self._service.is_idle
        return await super().on_tick(counter) or is_drained or time.monotonic() > self._drained_by


def _announce(console: Console, models: Repository) -> None:
    for model in models.ready:
        described = model.reply
        console.print(
            f"serving [bold]{described.name}[/] {described.version} ({described.modality}, "
            f"{len(model.bundle.manifest.labels)} classes) with {described.runtime} in {described.precision} "
            f"on {described.device}"
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # from here on whoever connects waits for the answer instead of being turned away
    except OSError as error:
        raise UserError(f"{host}:{port}: cannot be listened on ({error.strerror}); choose another --port") from error
    return listener


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m serve",
        usage="%(prog)s [check] (--bundle PATH | --models FOLDER) [options]",
        description="Serve bundles: POST /predict names the motion in a clip, / is a page to try it.",
        epilog="Each flag is also an environment variable (RGBD_MOTION_MAX_BATCH) and a line of the --config file.",
    )
    parser.add_argument(
        "command", nargs="?", choices=("check",), help="check: try all of it, and end without serving anybody"
    )
    add_flags(parser)
    return parser


if __name__ == "__main__":
    run_command(main)
