"""`python -m export`: one command makes a bundle of a checkpoint, others work with bundles."""

import argparse
import errno
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from export.commands import COMMANDS, CREATE
from rgbd.errors import UserError, out_of_memory, reason_of
from rgbd.subcommands import CommandModule
from rgbd.terminal import program, run_command

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and only import what it needs; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    name = words[0] if words and not words[0].startswith("-") else "export"
    with _named_missing_package(name):
        parser, module = _parser(name)
        options = parser.parse_args(words)
        with (
            _named_file_errors(),
            out_of_memory("close other programs; a smaller --max-batch, or fewer --formats, need less"),
        ):
            return module.run(options)


def _parser(chosen: str) -> tuple[argparse.ArgumentParser, CommandModule]:
    """Return a parser that knows all commands, and the arguments of the chosen one, whose module comes with it."""
    parser = argparse.ArgumentParser(
        prog=program("export"),
        usage="%(prog)s --checkpoint CHECKPOINT --out BUNDLE [options]\n       %(prog)s COMMAND BUNDLE [options]",
        description="Make a bundle of a checkpoint, which a service can load, or work with one.",
    )
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", prog=parser.prog, description=f"{parser.prog} COMMAND --help says more"
    )
    parsers = {name: commands.add_parser(name, help=command.help) for name, command in COMMANDS.items()}
    module = COMMANDS.get(chosen, CREATE).load()
    if chosen in parsers:
        parsers[chosen].description = module.__doc__
        module.add_arguments(parsers[chosen])
    else:
        module.add_arguments(parser)
    return parser, module


@contextmanager
def _named_missing_package(command: str) -> Iterator[None]:
    """Turn a package that is not installed into what a user can do about it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{command} needs {error.name}; see the extras in the README for what to install") from error


@contextmanager
def _named_file_errors() -> Iterator[None]:
    """Turn what the file system refuses, on any of the ways to a bundle, into what a user can correct."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of the output has gone, not a file
    except OSError as error:
        if error.errno is None:
            raise
        path = error.filename2 or error.filename or "a file cannot be written"
        remedy = "make room" if error.errno in _FULL else "choose another place, or correct that"
        raise UserError(f"{path}: {reason_of(error)}; {remedy}") from error


if __name__ == "__main__":
    run_command(main)
