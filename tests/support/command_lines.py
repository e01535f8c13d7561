"""The commands of the project and their options, as lines: each is run by its name, until it reads its arguments."""

import argparse
import re
import runpy
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

_OF_THE_MACHINE = {"--jobs"}  # options whose default is another one on each machine


def command_lines(root: Path) -> Iterator[str]:
    """Yield a line for each command and for each of its options; `root` is the repository."""
    for command in sorted(runnable(root) | _documented(root)):
        yield from _lines(command)


def runnable(root: Path) -> set[str]:
    """Return the command of each module that can be run, of all packages that are installed."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    commands = set()
    for package in project["tool"]["setuptools"]["packages"]["find"]["include"]:
        for path in root.glob(f"{package}/**/*.py"):
            if path.name == "__main__.py" or '__name__ == "__main__"' in path.read_text():
                module = ".".join(path.relative_to(root).with_suffix("").parts)
                commands.add(f"python -m {module.removesuffix('.__main__')}")
    return commands


def _documented(root: Path) -> set[str]:
    """Return the commands of ours that the documentation names, other than those of tests."""
    documents = [root / "README.md", root / "CONTRIBUTING.md", *root.glob("docs/*.md")]
    text = "\n".join(path.read_text() for path in documents)
    scripts = re.findall(r"(python|torchrun) (?:--\S+ )*([\w/]+\.py)", text)
    modules = {module: root / module.replace(".", "/") for module in re.findall(r"python -m ([\w.]*\w)", text)}
    return {f"{program} {script}" for program, script in scripts if (root / script).exists()} | {
        f"python -m {module}"
        for module, path in modules.items()
        if (path.with_suffix(".py").exists() or (path / "__main__.py").exists()) and not module.startswith("tests.")
    }


def _lines(command: str) -> Iterator[str]:
    """Yield a command with its options and its own commands, and the variables that its help names."""
    parser = _parser(command)
    yield from _options(command, parser)
    yield from (f"{command} ${variable}" for variable in re.findall(r"RGBD_MOTION_\w+", parser.epilog or ""))


class _ParserFound(BaseException):
    """No command takes it for an error of its own."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


def _parser(command: str) -> argparse.ArgumentParser:
    """Return what a command would read its arguments with; it has done nothing until then.

    The arguments of a command's command may be there only where that one is called.
    """

    def stop(parser: argparse.ArgumentParser, *_: object) -> None:
        raise _ParserFound(parser)

    target, *words = re.sub("^(python -m|python|torchrun) ", "", command).split()
    run: Callable[..., object] = runpy.run_path if target.endswith(".py") else runpy.run_module
    with (
        patch.object(argparse.ArgumentParser, "parse_known_args", stop),
        patch.object(sys, "argv", [target, *words]),
        warnings.catch_warnings(action="ignore", category=RuntimeWarning),  # that another command has imported it
    ):
        try:
            run(target, run_name="__main__")
        except _ParserFound as found:
            parser = found.parser
            for word in words:
                parser = _commands(parser)[word]
            return parser
    raise AssertionError(f"{command}: has come to its end without reading its arguments")


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of a command's own commands."""
    found = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name: subparser for action in found for name, subparser in action.choices.items()}


def _options(command: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    yield command
    for name in _commands(parser):
        yield from _lines(f"{command} {name}")
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            continue
        if action.dest != "help" and action.help != argparse.SUPPRESS:
            yield f"{command} {_option(action)}"


def _option(action: argparse.Action) -> str:
    words = [*action.option_strings, _value(action)]
    if isinstance(action, argparse._AppendAction):
        words.append("(repeatable)")
    if action.required and action.option_strings:
        words.append("(required)")
    is_default = action.default not in (None, [], argparse.SUPPRESS) and action.default is not False
    if is_default and not _OF_THE_MACHINE.intersection(action.option_strings):
        words.append(f"= {action.default}")
    return " ".join(word for word in words if word)


def _value(action: argparse.Action) -> str:
    value = (
        f"{{{','.join(map(str, action.choices))}}}" if action.choices else str(action.metavar or action.dest.upper())
    )
    match action.nargs:
        case int(number):  # 0 of a flag
            return " ".join([value] * number)
        case "?":
            return f"[{value}]"
        case "+":
            return f"{value}..."
        case "*":
            return f"[{value}...]"
    return value
