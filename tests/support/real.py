"""Real recordings, which lie beside the repository on machines that have them, and never in it."""

from pathlib import Path

import pytest


def real_recordings(name: str) -> Path:
    """Return the folder of the recordings called `name`, or skip the test aloud."""
    folder = Path(__file__).parents[3] / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"no real recordings: ../shared/data/{name} does not exist")
    return folder
