"""A step of a long command is named while it goes on: on a terminal, and in a log."""

import re

import pytest

from rgbd.steps import step


def test_a_log_has_a_line_when_a_step_begins_and_one_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    with step("tracing [rgb]", 2) as advance:
        assert capsys.readouterr().err == "tracing [rgb] ...\n"
        advance()
    assert capsys.readouterr().err == "tracing [rgb]: 0 s\n"
    with pytest.raises(ValueError, match="not done"), step("measuring"):
        raise ValueError("not done")
    assert capsys.readouterr().err == "measuring ...\n"


def test_a_terminal_shows_it_moving(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with step("tracing [rgb]", 2) as advance:
        advance()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)  # without colours and movements
    assert "tracing [rgb] 1/2 0:00:0" in shown
    assert shown.endswith("tracing [rgb]: 0 s\n")
