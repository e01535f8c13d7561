"""Failures of what nobody waits for, as lines of the log."""

import asyncio
import logging
import threading
from typing import Any

_log = logging.getLogger("serve")


def log_failure(task: "asyncio.Task[Any]") -> None:
    """Log how a task has failed: the callback of tasks that nobody waits for."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s has failed", task.get_name(), exc_info=error)


def log_failed_thread(failure: threading.ExceptHookArgs) -> None:
    """Log how a thread has ended, such as a library's: `threading.excepthook` writes no log."""
    if failure.exc_value is not None:
        name = failure.thread.name if failure.thread else "?"
        _log.error("thread %s has failed", name, exc_info=failure.exc_value)
