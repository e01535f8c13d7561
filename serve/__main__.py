"""`python -m serve --bundle FOLDER`: the HTTP service."""

import argparse
import socket
import time
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError
from rich.console import Console

from export.runtimes.loading import DEVICES
from preprocess.errors import ConfigError, UserError, run_command
from serve.app import create_app
from serve.models import load_model
from serve.service import Service
from serve.settings import Settings

_CLOSE_S = 3  # after the last answer connections are closed: what still arrives on them would be sent away


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; returns 0 when all requests at work were answered."""
    options = _parser().parse_args(arguments)
    settings = _read_settings()
    model = load_model(options.bundle, options.device, artifact=options.artifact, public_key=options.require_signature)
    listener = _listen(options.host, options.port)
    host, port = listener.getsockname()[:2]
    described = model.reply()
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(
        f"serving [bold]{described.name}[/] ({described.modality}, {len(model.bundle.manifest.labels)} classes) "
        f"with {described.runtime} in {described.precision} on {described.device}"
    )
    console.print(f"open [bold]http://{host}:{port}[/], or http://{host}:{port}/docs; Ctrl-C stops")
    _DrainingServer(create_app(model, settings)).run(sockets=[listener])
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


def _read_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        reasons = "; ".join(f"RGBD_MOTION_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigError(f"environment: {reasons}") from error


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
        description="Serve a bundle: POST /predict names the motion in a clip, / is a page to try it.",
        epilog="Limits are environment variables RGBD_MOTION_*: " + ", ".join(Settings.model_fields).upper(),
    )
    parser.add_argument(
        "--bundle", type=Path, required=True, metavar="PATH", help="what `python -m export` wrote, or that as a .zip"
    )
    parser.add_argument("--artifact", metavar="NAME", help="such as openvino-fp32 (the fastest that runs here)")
    parser.add_argument("--require-signature", type=Path, metavar="KEY", help="refuse bundles not signed with this key")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 takes a free one (default: 8000)")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="where to compute (default: cpu)")
    return parser


if __name__ == "__main__":
    run_command(main)
