"""`python -m clients load`: asks a running service about one recording again and again, and says how it answers."""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from clients.client import AsyncClient
from clients.errors import InputError
from clients.load.report import Report, print_report, report_of
from clients.load.requests import Load, Request, even_arrivals, poisson_arrivals
from clients.out_files import check_out, write_out
from clients.uploads import packed_upload, streams_of

_WIDTH = 80
Draw = Callable[[Report, list[Request], str], bytes]


def put_under_load(options: argparse.Namespace, asked: Mapping[str, Any], api_key: str | None) -> None:
    """Print, and write, how the service answers; after Ctrl-C, how it did so far. Raises as `Client.predict`."""
    draw = _check(options)
    requests: list[Request] = []

    async def ask() -> None:
        client = AsyncClient(options.url, api_key=api_key, timeout_s=options.timeout_s, num_retries=0)
        async with client:
            await client.check_ready()
            await client.predict(rgb, depth, **asked)  # a mistake is none of the service's; and connections are open
            await _run(Load(lambda: client.predict(rgb, depth, **asked), requests), options)

    with ExitStack() as kept:
        rgb, depth = _on_disk(options, kept)
        try:
            asyncio.run(ask())
        finally:  # after Ctrl-C, too
            if requests:
                _tell(requests, options, draw)


async def _run(load: Load, options: argparse.Namespace) -> None:
    if options.rate is None:
        await load.closed_loop(options.concurrency, options.duration_s)
    elif options.arrivals == "even":
        await load.open_loop(even_arrivals(options.rate, options.duration_s))
    else:
        await load.open_loop(poisson_arrivals(options.rate, options.duration_s, options.seed))


def _tell(requests: list[Request], options: argparse.Namespace, draw: Draw | None) -> None:
    report = report_of(requests)
    print_report(Console(width=_WIDTH, highlight=False), report, requests)
    if options.json is not None:
        told = {"load": _described(options), **asdict(report), "requests": [asdict(one) for one in requests]}
        write_out(options.json, json.dumps(told, indent=1).encode(), "--json")
    if options.picture is not None and draw is not None:
        write_out(options.picture, draw(report, requests, _described(options)), "--picture")


def _described(options: argparse.Namespace) -> str:
    if options.rate is None:
        return f"{options.concurrency} clients for {options.duration_s:g} s"
    return f"{options.rate:g} requests/s ({options.arrivals}) for {options.duration_s:g} s"


def _check(options: argparse.Namespace) -> Draw | None:
    """Return what draws the picture that is asked for; raises `InputError` for what makes no sense."""
    for name in ("concurrency", "rate", "duration_s"):
        if (value := getattr(options, name)) is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name.replace('_', '-')} {value:g}: give a number above 0")
    inputs = [path for path in (options.rgb, options.depth) if path is not None]
    if options.json is not None:
        check_out(options.json, inputs, (".json",), "--json")
    if options.picture is None:
        return None
    check_out(options.picture, inputs, (".png",), "--picture")
    try:
        from clients.load.picture import png_of  # noqa: PLC0415  needs an extra
    except ImportError as error:
        raise InputError(
            f"--picture needs {error.name}; install the 'picture' extra: pip install '.[client,picture]'"
        ) from error
    return png_of


def _on_disk(options: argparse.Namespace, kept: ExitStack) -> tuple[Path | None, Path | None]:
    """Return the files to send; what must be packed is packed once, so that the load is the service's, not ours."""
    found: dict[str, Path] = {}
    for stream, source in streams_of(options.rgb, options.depth).items():
        upload = packed_upload(stream, source)
        if isinstance(upload.content, Path):
            found[stream] = upload.content
        else:
            folder = kept.enter_context(tempfile.TemporaryDirectory())
            found[stream] = Path(folder) / upload.name
            found[stream].write_bytes(upload.content.read())
    return found.get("rgb"), found.get("depth")
