"""Ctrl-C and SIGTERM: how they end a command, wait for work, ask for a stop, or never reach a process at all.

Signals are handled here and nowhere else in the packages; uvicorn takes those of a service that runs.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

CTRL_C, SIGTERM = signal.SIGINT, signal.SIGTERM
KILLED = -signal.SIGKILL  # exit code of a process of ours that somebody else ended, or the system for want of memory

_SAME_REQUEST_S = 1.0  # `timeout` and schedulers signal the process and then its group: within this time it is one


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what cleans up after Ctrl-C does so after this, too."""


def number_of(interruption: KeyboardInterrupt) -> signal.Signals:
    """Return the signal that an interruption was raised for."""
    return SIGTERM if isinstance(interruption, Terminated) else CTRL_C


def exit_code_after(number: int) -> int:
    """Return what a command ends with after a signal: 130 after Ctrl-C and 143 after SIGTERM, as shells expect."""
    return 128 + number


def raise_on_sigterm() -> None:
    """Make SIGTERM raise `Terminated` here, and both signals come again where Python drops what they raise."""
    signal.signal(SIGTERM, _terminate)
    sys.unraisablehook = _interrupt_again


def _terminate(*_: object) -> None:
    if not isinstance(sys.exc_info()[1], Terminated):  # a second one must not break off the cleaning up
        raise Terminated


def _interrupt_again(unraisable: "sys.UnraisableHookArgs") -> None:
    """Send a signal again that came in a destructor, or in the callback of a weak reference."""
    interruption = unraisable.exc_value
    if isinstance(interruption, KeyboardInterrupt):
        threading.Timer(0.01, os.kill, (os.getpid(), number_of(interruption))).start()
    else:
        sys.__unraisablehook__(unraisable)


def end_at_sigterm() -> None:
    """Have SIGTERM end this process at once, with nothing cleaned up.

    For processes that wait in a library's C++: only the system's own handler ends them there, as Python's handlers
    run when the library has returned.
    """
    signal.signal(SIGTERM, signal.SIG_DFL)


def ignore_sigterm() -> None:
    """Ignore SIGTERM from here on, so that what this process is about to say is said."""
    signal.signal(SIGTERM, signal.SIG_IGN)


@contextmanager
def interrupted_after(work: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until a block has ended, and say so: "ends after {work}".

    For libraries that drop what a signal raises within them, or are aborted by it. A signal that would not have
    interrupted the block, because it is ignored or because this is not the main thread, is left as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are raised in the main thread only
        return
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        came.append(number)
        os.write(2, f"ends after {work}\n".encode())  # print itself may be at work

    heeded = [number for number in (CTRL_C, SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    try:
        with _handled_by(note, heeded):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def noted(*, second_ends: bool) -> Iterator[Callable[[], int]]:
    """Note Ctrl-C and SIGTERM within a block instead of being interrupted; yields a function that returns the first.

    It returns the signal's number, 0 before one has come: the block asks where it can stop. With `second_ends`, another
    one, more than a second later, ends the process at once, with nothing cleaned up.

    Unlike `interrupted_after`, this also takes a signal that was ignored: shell scripts have what they start in the
    background ignore that of Ctrl-C, and schedulers may ask with it.
    """
    first, came_s = 0, 0.0

    def note(number: int, _frame: object) -> None:
        nonlocal first, came_s
        now_s = time.monotonic()
        if not first:
            first, came_s = number, now_s
        elif second_ends and now_s - came_s > _SAME_REQUEST_S:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    with _handled_by(note, (CTRL_C, SIGTERM)):
        yield lambda: first


@contextmanager
def _handled_by(handler: Callable[[int, object], None], numbers: Iterable[signal.Signals]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def blocked_in_new_processes(*signals: signal.Signals) -> Iterator[None]:
    """Have processes that are started within the block, and those that they fork, never get these signals.

    Terminals send Ctrl-C to all processes of a command, and many schedulers SIGTERM: the process that started the
    others ends them when it no longer needs them. Blocked signals are inherited, so that this holds from a process's
    first moment on: one that ignored them itself would be interrupted while it is still importing. A process that
    SIGTERM does not reach must be ended with `kill`.
    """
    resource_tracker.ensure_running()  # started within the block, it would unblock Ctrl-C and SIGTERM
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # within: it may raise what came just before
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
