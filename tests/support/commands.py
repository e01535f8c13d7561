"""Runs the product's commands as a person does: in processes of their own, which find torch imported (`warm`)."""

import os
import subprocess
import sys

from tests.support.warm import run_warm


def run_module(module: str, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m module words...` to its end, at most 15 minutes, whatever its exit code."""
    command = [module, *map(str, words)]
    return subprocess.CompletedProcess(command, *run_warm(command, os.environ | environment, timeout_s=900))


def run_without_torch(module: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command as where torch is not installed, at most five minutes."""
    program = (
        "import runpy, sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; "  # -c is the first of them
        "runpy.run_module(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", program, module, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def assert_refused(result: subprocess.CompletedProcess[str], *reasons: str) -> None:
    """Check that a command ended as a user's mistake does: exit code 2, the reasons, and no traceback."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    for reason in reasons:
        assert reason in result.stderr
