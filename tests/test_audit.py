"""`make audit`: licences of what is installed, and vulnerabilities, which need a network to be looked up."""

import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from packaging.licenses import canonicalize_license_expression

ROOT = Path(__file__).parents[1]


def audit(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the audit where nobody answers, whatever this machine can reach."""
    unreachable = {"HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "NO_PROXY": ""}
    return subprocess.run(
        [sys.executable, ".ci/audit.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | unreachable | environment,
    )


def test_without_a_network_vulnerabilities_are_skipped_aloud_and_soon() -> None:
    began = time.monotonic()
    result = audit()
    assert (result.returncode, result.stderr) == (0, "")
    assert "licences: all of those that are allowed" in result.stdout
    assert "SKIPPED: vulnerabilities are not looked up, because the network cannot be reached" in result.stdout
    assert time.monotonic() - began < 60  # 4 s where the machine does nothing else


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
def test_a_licence_that_is_not_allowed_is_refused_by_name(tmp_path: Path, line: str, is_refused: bool) -> None:
    folder = tmp_path / "borrowed-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: borrowed\nVersion: 1.2\n{line}\n")
    result = audit(PYTHONPATH=str(tmp_path))
    assert result.returncode == int(is_refused), result.stderr
    assert ("borrowed 1.2: its licence is " in result.stderr) is is_refused


def test_the_lists_are_of_spdx_names_and_of_reasons() -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["licences"]
    assert [canonicalize_license_expression(name) for name in table["allowed"]] == table["allowed"]
    assert not [name for name in table["allowed"] if "GPL" in name or "MPL" in name]
    assert all(entry.keys() == {"licence", "reason"} and entry["reason"] for entry in table["exceptions"].values())
