"""What holds for all tests, and what tests of several packages read."""

import logging
import os
import signal
from pathlib import Path

import pytest

# Here, and in what tests start: the networks are so small that threads only wait for each other, and a short run of
# training takes a third of the time with one. torch reads this once, when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import export  # noqa: F401  it switches telemetry off: a test may import a runtime before it imports `export`

pytest.register_assert_rewrite("tests.support")  # or a check that fails there shows no values

from rgbd.terminal import say_once, warn_once  # noqa: E402
from tests.support.ntu_recordings import CLIPS, make_recording  # noqa: E402

# The files that take longest, longest first. Processes that share the tests begin with them, so that none is left with
# one when the others have ended; between two that need what `in_low_precision` makes lies the time that takes.
_LONGEST = (
    "export/build/test_export.py",
    "export/build/test_second_family.py",
    "export/runtimes/test_tensorrt.py",
    "benchmarks/test_gpu_check.py",
    "training/run/test_resume.py",
    "e2e/test_real_recordings.py",
    "training/run/test_signals.py",
    "training/networks/dsn/test_golden_networks.py",
    "e2e/test_page.py",
    "serve/test_lifecycle.py",
    "training/test_training.py",
    "export/commands/test_commands.py",
    "e2e/test_own_family.py",
    "e2e/test_unknown_motions.py",
    "serve/http/test_access_control.py",
    "preprocess/pipeline/test_run.py",
    "training/run/test_not_finite.py",
    "test_telemetry.py",
    "rgbd/people/test_depth_search.py",
)

_OURS = ("rgbd", "preprocess", "training", "export", "serve", "clients")

# A shell has its background jobs ignore Ctrl-C, which all that they start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files of `_LONGEST` come first, in that order."""
    order = {Path(__file__).parent / name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    """What is said once in a run is said once in a test, whichever tests ran before it in the same process."""
    say_once.cache_clear()
    warn_once.cache_clear()


@pytest.fixture(autouse=True)
def log_as_python_begins_it(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever tests and libraries before have made of it: tests read what is logged.

    OpenVINO, for one, leaves the level at ERROR where a conversion fails.
    """
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    caplog.handler.setLevel(logging.NOTSET)
    caplog.handler.filters.clear()
    logging.disable(logging.NOTSET)
    for name, logger in root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in _OURS:
            logger.setLevel(logging.NOTSET)
            logger.disabled, logger.propagate = False, True


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw recordings `CLIPS`: enough of them to stop a run in the middle."""
    raw = tmp_path_factory.mktemp("many")
    for clip in CLIPS:
        make_recording(raw, clip, rgb_frames=12, depth_frames=12)
    return raw
