"""Runs the product's commands as a person does: in processes of their own."""

import os
import subprocess
import sys


def run_module(module: str, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m module words...` to its end, at most 15 minutes, whatever its exit code."""
    command = [sys.executable, "-m", module, *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=900, env=os.environ | environment
    )


def assert_refused(result: subprocess.CompletedProcess[str], *reasons: str) -> None:
    """Check that a command ended as a user's mistake does: exit code 2, the reasons, and no traceback."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    for reason in reasons:
        assert reason in result.stderr
