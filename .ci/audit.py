"""`make audit`: the licences of all that is installed, and known vulnerabilities of what constraints.txt pins.

Which licences are allowed, and which packages have another one and why, says [tool.licences] of pyproject.toml. The
vulnerabilities are asked for at OSV, by pip-audit; without a network that is skipped, and said.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OURS = "rgbd-motion"

# What packages write that do not name their licence as SPDX does.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def licence_of(package: Distribution) -> str:
    """Return what a package says of its licence, as SPDX expression where that can be told, or `unknown`."""
    metadata = package.metadata
    classifiers = [line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier", []) if "License ::" in line]
    if expression := metadata.get("License-Expression"):
        return str(expression)
    named = classifiers or [metadata.get("License") or "unknown"]
    return " AND ".join(_SPDX.get(name, name) for name in (name.splitlines()[0].strip() for name in named))


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Return whether an expression leaves a choice of allowed licences; one in brackets is not understood, and no."""
    choices = expression.split(" OR ")
    return any(all(part.strip() in allowed for part in choice.split(" AND ")) for choice in choices)


def refused_licences(table: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with each package that is installed and neither allowed nor an exception."""
    for package in sorted(distributions(), key=lambda package: canonicalize_name(package.name)):
        name, licence = canonicalize_name(package.name), licence_of(package)
        excepted = [entry for pattern, entry in table["exceptions"].items() if fnmatch(name, pattern)]
        if name == OURS or is_allowed(licence, set(table["allowed"])):
            continue
        if not any(entry["licence"] == licence for entry in excepted):
            yield f"{name} {package.version}: its licence is {licence}"


def check_licences() -> int:
    """Print the packages whose licence is refused; returns the exit code."""
    refused = list(refused_licences(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["licences"]))
    for line in refused:
        print(line, file=sys.stderr)
    if refused:
        print("do without them, or say in [tool.licences] of pyproject.toml why not", file=sys.stderr)
        return 1
    print("licences: all of those that are allowed, or excepted with a reason")
    return 0


def check_vulnerabilities() -> int:
    """Print the known vulnerabilities of what is pinned; returns the exit code, 0 where nobody can be asked."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt"), "--no-deps"]
    command += ["--disable-pip", "--vulnerability-service", "osv", "--timeout", "5"]
    result = subprocess.run(
        [*command, "--progress-spinner", "off", "--format", "json"], capture_output=True, text=True, check=False
    )
    if not result.stdout.strip():
        # A look-up that fails says nothing of the packages; most often there is no network.
        reason = (result.stderr.strip().splitlines() or ["pip-audit has said nothing"])[-1]
        print(f"SKIPPED: vulnerabilities are not looked up: {reason[:200]}")
        return 0
    packages = json.loads(result.stdout)["dependencies"]
    for package in packages:
        for found in package.get("vulns", ()):
            remedy = " or ".join(found["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {found['id']}; corrected by {remedy}", file=sys.stderr)
        if reason := package.get("skip_reason"):
            print(f"SKIPPED: {package['name']} is not audited: {reason}")
    found = sum(bool(package.get("vulns")) for package in packages)
    print(f"vulnerabilities: {found or 'none'} of {len(packages)} packages")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(check_licences() | check_vulnerabilities())
