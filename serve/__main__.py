"""`python -m serve --bundle FOLDER`: the HTTP service."""

import argparse
import logging
import socket
from contextlib import AbstractContextManager, nullcontext

from rgbd.errors import UserError
from rgbd.terminal import program, run_command
from serve.app import create_app
from serve.inference.loading import load_models
from serve.inference.served_model import ServedModel
from serve.observability.logs import set_up_logging
from serve.server import DrainingServer, listen
from serve.service import Service
from serve.settings import add_flags, read_settings
from serve.startup import prepare_temp_folder

_log = logging.getLogger("serve")


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM, and then until the requests at work have ended.

    Returns 0; 1 when the service ended by itself, because a part of it could not be started or kept running.
    """
    parser = _parser()
    flags = add_flags(parser)
    options = parser.parse_args(arguments)
    settings = read_settings(flags(parsed_args=options)())
    set_up_logging(settings.log_format)
    _log.info("settings: %s", settings.described())
    prepare_temp_folder(settings.max_upload_mb, settings.kept_mb)
    models = load_models(settings)
    app = create_app(models, settings)
    service: Service = app.state.service
    service.try_decoder()
    traces = _exported_traces(settings.otlp_endpoint)
    for model in models.ready:
        _log.info("serving %s", _described(model))
    if options.command == "check":  # without listening: where it would, the service may be at work
        _log.info("all is well")
        return 0
    listener = listen(settings.host, settings.port)
    address = _address(*listener.getsockname()[:2])
    _log.info("open %s, or %s/docs; Ctrl-C stops", address, address)
    with traces:
        code = _serve(DrainingServer(app), listener)
    return int(code or service.supervisor.has_given_up)


def _serve(server: DrainingServer, listener: socket.socket) -> int:
    """Run the server to its end; returns 0 where it was told to stop, and 1 where it ended by itself."""
    try:
        server.run(sockets=[listener])
    except (SystemExit, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) and not server.started:
            raise
        # No signal, which the server takes: it could not start, or this came out of a library.
        _log.critical("the service ends", exc_info=True)
        return 1
    return int(not server.was_told_to_stop)


def _described(model: ServedModel) -> str:
    facts, num_classes = model.reply, len(model.bundle.manifest.labels)
    return (
        f"{facts.name} {facts.version} ({facts.modality}, {num_classes} classes) with {facts.runtime} in "
        f"{facts.precision} on {facts.device}"
    )


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _exported_traces(endpoint: str | None) -> AbstractContextManager[None]:
    if endpoint is None:
        return nullcontext()
    try:
        from serve.observability.otlp import exported_traces  # noqa: PLC0415  needs an extra
    except ImportError as error:
        raise UserError("otlp_endpoint needs OpenTelemetry's exporter; install the 'otel' extra") from error
    return exported_traces(endpoint)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("serve"),
        usage="%(prog)s [check] (--bundle PATH | --models FOLDER) [options]",
        description="Serve bundles: POST /predict names the motion in a clip, / is a page to try it.",
        epilog="Each flag is also an environment variable (RGBD_MOTION_MAX_BATCH) and a line of the --config file.",
    )
    parser.add_argument(
        "command", nargs="?", choices=("check",), help="check: try all of it, and end without serving anybody"
    )
    return parser


if __name__ == "__main__":
    run_command(main)
