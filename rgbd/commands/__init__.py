"""What can be done with a recording of any format: a module for each command, which is imported when it is chosen."""

import argparse
from dataclasses import dataclass
from typing import Protocol


class CommandModule(Protocol):
    """What such a module has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to a parser."""
        ...

    def run(self, options: argparse.Namespace) -> int:
        """Do what the command is for; returns the exit code."""
        ...


@dataclass(frozen=True)
class Command:
    """A command, without its module."""

    module: str
    help: str


COMMANDS = {
    "inspect": Command("rgbd.commands.inspect", "say what it holds and what preprocessing makes of it, and draw it"),
    "convert": Command("rgbd.commands.convert", "write it as one Matroska file that keeps everything"),
}
