"""`python -m export`: one command makes a bundle of a checkpoint, others work with bundles."""

import sys
from importlib import import_module

from export.commands import COMMANDS
from preprocess.errors import UserError, run_command


def main() -> int:
    """Run a command, and only import what it needs; returns the exit code."""
    command, arguments = "export", sys.argv[1:]
    if arguments and arguments[0] in COMMANDS:
        command, *arguments = arguments
    try:
        module = import_module(COMMANDS.get(command, "export.convert"))
    except ModuleNotFoundError as error:
        raise UserError(f"{command} needs {error.name}; see the extras in the README for what to install") from error
    exit_code: int = module.main(arguments)
    return exit_code


if __name__ == "__main__":
    run_command(main)
