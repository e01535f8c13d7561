"""`python -m serve --bundle FOLDER`: the HTTP service."""

import argparse

from rich.console import Console

from preprocess.errors import run_command
from serve.app import create_app
from serve.loading import load_models
from serve.repository import Repository
from serve.server import DrainingServer, listen
from serve.settings import add_flags, read_settings


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM; returns 0 when all requests at work were answered."""
    options = vars(_parser().parse_args(arguments))
    command = options.pop("command")
    settings = read_settings(options)
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"settings: {settings.described()}", markup=False)
    models = load_models(settings)
    app = create_app(models, settings)
    listener = listen(settings.host, settings.port)
    _announce(console, models)
    host, port = listener.getsockname()[:2]
    if command == "check":
        listener.close()
        console.print(f"all is well; the service would listen on http://{host}:{port}")
        return 0
    console.print(f"open [bold]http://{host}:{port}[/], or http://{host}:{port}/docs; Ctrl-C stops")
    DrainingServer(app).run(sockets=[listener])
    return 0


def _announce(console: Console, models: Repository) -> None:
    for model in models.ready:
        described = model.reply
        console.print(
            f"serving [bold]{described.name}[/] {described.version} ({described.modality}, "
            f"{len(model.bundle.manifest.labels)} classes) with {described.runtime} in {described.precision} "
            f"on {described.device}"
        )


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
