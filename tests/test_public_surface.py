"""What users know by name is listed in public_surface.txt: nothing of it goes, or comes, unnoticed."""

import difflib
import re
from pathlib import Path

import pytest

from tests.support.commands import run_module

_LIST = Path(__file__).with_name("public_surface.txt")
_SERVING = Path(__file__).parents[1] / "docs" / "serving.md"


@pytest.mark.slow
def test_the_public_surface_is_as_listed() -> None:
    found = run_module("tests.support.public_surface")
    assert found.returncode == 0, found.stderr
    compared = difflib.unified_diff(_LIST.read_text().splitlines(), found.stdout.splitlines(), n=0, lineterm="")
    changes = [line for line in list(compared)[2:] if not line.startswith("@@")]
    if changes:
        pytest.fail(
            "the public surface has changed; - is listed and gone, + is new:\n\n" + "\n".join(changes) + "\n\nWhere "
            "that is meant, update the list in the same commit, and the documentation:\n"
            "python -m tests.support.public_surface > tests/public_surface.txt",
            pytrace=False,
        )


def test_the_errors_are_those_that_the_documentation_lists() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", _SERVING.read_text(), re.MULTILINE)
    documented = {f"error {status} {word}" for status, words in rows for word in re.findall(r"`(\w+)`", words)}
    assert documented == {line for line in _LIST.read_text().splitlines() if line.startswith("error ")}
