"""`python -m export`: one command makes a bundle of a checkpoint, others work with bundles."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from export.commands import COMMANDS
from rgbd.errors import UserError, out_of_memory, reason_of
from rgbd.terminal import run_command

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main() -> int:
    """Run a command, and only import what it needs; returns the exit code."""
    command, arguments = "export", sys.argv[1:]
    if arguments and not arguments[0].startswith("-"):
        command, *arguments = arguments
        if command not in COMMANDS:
            raise UserError(f"{command}: is no command; choose of {', '.join(COMMANDS)}, or export with --checkpoint")
    try:
        module = import_module(COMMANDS.get(command, "export.commands.create"))
    except ModuleNotFoundError as error:
        raise UserError(f"{command} needs {error.name}; see the extras in the README for what to install") from error
    with (
        _named_file_errors(),
        out_of_memory("close other programs; a smaller --max-batch, or fewer --formats, need less"),
    ):
        exit_code: int = module.main(arguments)
    return exit_code


@contextmanager
def _named_file_errors() -> Iterator[None]:
    """Turn what the file system refuses, on any of the ways to a bundle, into what a user can mend."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of the output has gone, not a file
    except OSError as error:
        if error.errno is None:
            raise
        path = error.filename2 or error.filename or "a file cannot be written"
        remedy = "make room" if error.errno in _FULL else "choose another place, or mend that"
        raise UserError(f"{path}: {reason_of(error)}; {remedy}") from error


if __name__ == "__main__":
    run_command(main)
