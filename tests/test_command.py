"""`rgbd-motion COMMAND`: what `python -m` runs, under one name."""

import socket
from pathlib import Path

import pytest

from rgbd_motion import COMMANDS
from tests.support.command_lines import runnable
from tests.support.commands import assert_refused, run_module

ROOT = Path(__file__).parents[1]


def test_every_module_that_can_be_run_is_a_command() -> None:
    modules = {f"python -m {command.module.removesuffix('.__main__')}" for command in COMMANDS.values()}
    assert modules == runnable(ROOT)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_calls_a_command_as_it_was_called(name: str) -> None:
    result = run_module("rgbd_motion", *name.split(), "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"usage: rgbd-motion {name} ")
    assert f"python -m {COMMANDS[name].module.removesuffix('.__main__')} COMMAND" not in result.stdout


def test_help_has_a_line_for_each_command_at_80_columns() -> None:
    result = run_module("rgbd_motion", "--help")
    lines = [line for line in result.stdout.splitlines() if line.startswith("  ")]
    assert [line.split("  ")[1] for line in lines] == list(COMMANDS)
    assert max(map(len, result.stdout.splitlines())) <= 80
    ours = run_module("rgbd_motion", "preprocess", "--help").stdout
    assert "  preprocess ntu " in ours
    assert "serve" not in ours


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("srve --bundle b", "'srve' is no command; did you mean serve?"),
        ("preprocess nty", "'preprocess nty' is no command; did you mean preprocess ntu?"),
        ("preprocess utd-mhad", "'preprocess utd-mhad' is no command; did you mean preprocess utd_mhad?"),
        ("jester --raw raw", "'jester' is no command; did you mean preprocess jester?"),
        ("xylophone", "'xylophone' is no command; rgbd-motion --help lists them"),
        ("preprocess", "preprocess needs one of: ntu, nvgesture, "),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(words: str, reason: str) -> None:
    assert_refused(run_module("rgbd_motion", *words.split()), f"error: {reason}")


def test_exit_codes_are_those_of_the_commands(tmp_path: Path) -> None:
    missing = run_module("rgbd_motion", "recording", "inspect", tmp_path / "nowhere.mp4")
    assert_refused(missing, "nowhere.mp4")
    assert_refused(run_module("rgbd_motion", "preprocess", "ntu"), "usage: rgbd-motion preprocess ntu", "--raw")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert run_module("rgbd_motion", "clients", "health", "--url", url).returncode == 1
