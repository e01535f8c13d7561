"""The numbers of the reference implementations, as the tests of both families hold the networks to them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.gpu_check.installed import missing
from benchmarks.gpu_check.rows import Row, failed, skipped

_FILES = ("tests/training/networks/dsn/test_golden_networks.py", "tests/training/networks/umdr/test_golden_networks.py")
_NOT_SLOW = ("-m", "not slow")
_QUIET = ("-p", "no:cacheprovider", "--noconftest", "-W", "default")  # what libraries for GPUs warn of is no failure


def check(device: str, folder: Path) -> Iterator[Row]:
    """Yield each test; on the CPU, where `make test` runs them all, those alone that are fast."""
    if reason := missing("pytest"):
        yield skipped("tests of the goldens", reason)
        return
    report = folder / "tests.xml"
    command = [sys.executable, "-m", "pytest", *_FILES, f"--junitxml={report}", *_QUIET]
    subprocess.run(
        [*command, *(_NOT_SLOW if device == "cpu" else ())],
        check=False,  # its report says what failed
        env=os.environ | {"RGBD_MOTION_GOLDENS_DEVICE": device},
        cwd=Path(__file__).parents[2],
    )
    for case in ElementTree.parse(report).iter("testcase"):
        yield _row(case)


def _row(case: ElementTree.Element) -> Row:
    family = case.attrib["classname"].split(".")[-2]
    name = f"{family}: {case.attrib['name'].removeprefix('test_').replace('_', ' ')}"
    for child in case:
        message = child.get("message", "").split("\n", maxsplit=1)[0]
        if child.tag in ("failure", "error"):
            return failed(name, message)
        if child.tag == "skipped":
            return skipped(name, message)
    return Row(name, "passed")
