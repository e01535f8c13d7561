"""Commands of one program, `python -m PACKAGE COMMAND`: a module for each, which is imported when it is chosen."""

import argparse
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast


class CommandModule(Protocol):
    """What such a module has; its docstring is the command's description."""

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

    def load(self) -> CommandModule:
        """Import the module; raises `ModuleNotFoundError` where a package is missing that it needs."""
        return cast(CommandModule, import_module(self.module))
