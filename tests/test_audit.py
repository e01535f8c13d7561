"""`make audit`: licences of what is installed, and vulnerabilities, which need a network to be looked up."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import PathDistribution
from pathlib import Path
from types import ModuleType

import pytest
from packaging.licenses import canonicalize_license_expression

from tests.support.scripts import load_script

ROOT = Path(__file__).parents[1]
TABLE = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["licences"]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    return load_script(ROOT / ".ci" / "audit.py")


def test_without_a_network_vulnerabilities_are_skipped_aloud() -> None:
    unreachable = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_PROXY": ""}
    command = [sys.executable, ".ci/audit.py"]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | unreachable
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "licences: all of those that are allowed" in result.stdout
    assert "SKIPPED: vulnerabilities are not looked up: requests.exceptions." in result.stdout


@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        ("License-Expression: GPL-3.0-or-later", True),
        ("License-Expression: MIT AND LGPL-2.1-only", True),
        ("Classifier: License :: OSI Approved :: GNU Affero General Public License v3", True),
        ("License: something of our own", True),
        ("Summary: says nothing", True),
        ("License-Expression: GPL-2.0-only OR MIT", False),
        ("Classifier: License :: OSI Approved :: BSD License", False),
    ],
)
def test_a_licence_that_is_not_allowed_is_refused_by_name(
    audit: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, is_refused: bool
) -> None:
    folder = tmp_path / "borrowed-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: borrowed\nVersion: 1.2\n{line}\n")
    monkeypatch.setattr(audit, "distributions", lambda: [PathDistribution(folder)])
    refused = list(audit.refused_licences(TABLE))
    assert [text.startswith("borrowed 1.2: its licence is ") for text in refused] == [True] * is_refused


def test_the_lists_are_of_spdx_names_and_of_reasons() -> None:
    assert [canonicalize_license_expression(name) for name in TABLE["allowed"]] == TABLE["allowed"]
    assert not [name for name in TABLE["allowed"] if "GPL" in name or "MPL" in name]
    assert all(entry.keys() == {"licence", "reason"} and entry["reason"] for entry in TABLE["exceptions"].values())
