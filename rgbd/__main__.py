"""`python -m rgbd`: commands about one recording."""

import argparse

from rgbd.commands.inspect import add_inspect
from rgbd.terminal import run_command


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m rgbd", description="Work with one recording.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_inspect(commands)
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    run_command(main)
