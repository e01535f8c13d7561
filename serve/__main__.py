"""`python -m serve --bundle FOLDER`: the HTTP service."""

import argparse
import logging
import socket

from rgbd.errors import ConfigError, UserError
from rgbd.terminal import positive, program, run_command
from serve.server import DrainingServer, listen
from serve.service import Service
from serve.settings import Settings, add_flags, read_settings
from serve.startup import address_of, exported_traces, ready_app

_log = logging.getLogger("serve")


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM, and then until the requests at work have ended.

    Returns 0; 1 when the service ended by itself, because a part of it could not be started or kept running.
    """
    parser = _parser()
    flags = add_flags(parser)
    options = parser.parse_args(arguments)
    settings = read_settings(flags(parsed_args=options)())
    if options.command == "ray":
        return _serve_on_ray(settings, options)
    if options.replicas or options.address:
        raise ConfigError("--replicas and --address are for a Ray cluster: python -m serve ray")
    traces = exported_traces(settings.otlp_endpoint)
    app = ready_app(settings)
    service: Service = app.state.service
    if options.command == "check":  # without listening: where it would, the service may be at work
        _log.info("all is well")
        return 0
    listener = listen(settings.host, settings.port)
    address = address_of(*listener.getsockname()[:2])
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


def _serve_on_ray(settings: Settings, options: argparse.Namespace) -> int:
    try:
        from serve.replicas import serve_replicas  # noqa: PLC0415  needs an extra, and is slow to import
    except ImportError as error:
        raise UserError("replicas need Ray; install the 'ray' extra") from error
    return serve_replicas(settings, options.replicas or 1, options.address)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("serve"),
        usage="%(prog)s [check | ray] (--bundle PATH | --models FOLDER) [options]",
        description="Serve bundles: POST /predict names the motion in a clip, / is a page to try it.",
        epilog="Each flag is also an environment variable (RGBD_MOTION_MAX_BATCH) and a line of the --config file.",
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=("check", "ray"),
        help="check: try all of it, and end without serving anybody; ray: serve with replicas on a Ray cluster",
    )
    cluster = parser.add_argument_group("ray")
    cluster.add_argument("--replicas", type=positive, metavar="N", help="processes that serve (default: 1)")
    cluster.add_argument("--address", metavar="HOST:PORT", help="the Ray cluster (default: the one of this machine)")
    return parser


if __name__ == "__main__":
    run_command(main)
