"""SIGTERM ends a command as Ctrl-C does, with all of it cleaned up, and neither of the two is lost."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what cleans up after Ctrl-C does so after this, too."""


def number_of(interruption: KeyboardInterrupt) -> signal.Signals:
    """Return the signal that an interruption was raised for."""
    return signal.SIGTERM if isinstance(interruption, Terminated) else signal.SIGINT


def raise_on_sigterm() -> None:
    """Make SIGTERM raise `Terminated` here, and both signals come again where Python drops what they raise."""
    signal.signal(signal.SIGTERM, _terminate)
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


@contextmanager
def interrupted_after(work: str) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until a block has ended, and say so: "ends after {work}".

    For libraries that drop what a signal raises within them, or are aborted by it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are raised in the main thread only
        return
    came: list[int] = []

    def note(number: int, _frame: object) -> None:
        came.append(number)
        os.write(2, f"ends after {work}\n".encode())  # print itself may be at work

    heeded = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
