"""What holds for all tests, and what tests of several packages read."""

import os
import signal
from pathlib import Path

import pytest

# Here, and in what tests start: the networks are so small that threads only wait for each other, and a short run of
# training takes a third of the time with one. torch reads this once, when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import export  # noqa: F401  it switches telemetry off: a test may import a runtime before it imports `export`

pytest.register_assert_rewrite("tests.support")  # or a check that fails there shows no values

from tests.support.ntu_recordings import CLIPS, make_recording  # noqa: E402

# A shell has its background jobs ignore Ctrl-C, which all that they start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw recordings `CLIPS`: enough of them to stop a run in the middle."""
    raw = tmp_path_factory.mktemp("many")
    for clip in CLIPS:
        make_recording(raw, clip, rgb_frames=12, depth_frames=12)
    return raw
