"""`python -m rgbd`: commands for a recording of any format that is read here."""

import argparse
import sys
from collections.abc import Sequence

from rgbd.commands import COMMANDS
from rgbd.errors import UserError
from rgbd.subcommands import CommandModule
from rgbd.terminal import program, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and only import what it needs; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(prog=program("rgbd"), description="Work with a recording of any format.")
    commands = parser.add_subparsers(
        title="commands",
        metavar="COMMAND",
        dest="command",
        required=True,
        description=f"{parser.prog} COMMAND --help says more",
    )
    parsers = {name: commands.add_parser(name, help=command.help) for name, command in COMMANDS.items()}
    chosen = next((word for word in words if word in COMMANDS), None)
    module = _module(chosen) if chosen else None
    if chosen and module:
        parsers[chosen].description = module.__doc__
        module.add_arguments(parsers[chosen])
    options = parser.parse_args(words)
    assert module is not None, "argparse has refused a command that is not known"
    return module.run(options)


def _module(command: str) -> CommandModule:
    try:
        return COMMANDS[command].load()
    except ModuleNotFoundError as error:
        raise UserError(f"{command} needs {error.name}; install the 'media' extra: pip install '.[media]'") from error


if __name__ == "__main__":
    run_command(main)
