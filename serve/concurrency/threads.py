"""Work in a thread that the event loop waits for."""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def in_thread(
    name: str, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> asyncio.Future[Result]:
    """Return the coming result of a call in a new thread of this name, which ends with the call.

    Where the call ends in a way that a task cannot take for a failure, such as `SystemExit`, the result is a
    `RuntimeError` from it. Raises `RuntimeError` where no thread can be started.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()

    def settle(report: Callable[[], None]) -> None:
        if not answer.done():
            report()

    def work() -> None:
        report = partial(answer.set_exception, RuntimeError(f"the thread {name} was ended"))
        try:
            report = _report(answer, partial(function, *args, **kwargs))
        finally:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, report)

    # Not of a pool: whatever a library leaves behind can end an idle thread, and a pool goes on taking work for it.
    Thread(target=work, name=name).start()
    return answer


def _report(answer: asyncio.Future[Result], call: Callable[[], Result]) -> "partial[None]":
    """Return what tells the answer how a call ended, after making it."""
    try:
        return partial(answer.set_result, call())
    except BaseException as error:
        return partial(answer.set_exception, _failure(error))


def _failure(error: BaseException) -> Exception:
    """Return what a future can hold, and a task raise, without ending the event loop or being taken for something else.

    `StopIteration` means something to coroutines, and exceptions beside `Exception` to tasks and event loops.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failure = RuntimeError(f"ended by {type(error).__name__}")
    failure.__cause__ = error
    return failure
