"""A bundle whose model never runs."""

from pathlib import Path

import pytest

from benchmarks.support.tiny_bundle import make_bundle
from export.bundle.folder import Bundle, read_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(make_bundle(tmp_path, "rgb"))
