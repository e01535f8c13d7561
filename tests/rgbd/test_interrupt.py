"""What a command and its processes do when a signal comes, wherever the signal meets them."""

import signal
import subprocess
import sys
import threading

import pytest

from rgbd.interrupt import interrupted_after

IN_A_CALLBACK = """
import signal, time, weakref
from rgbd.terminal import run_command

def main():
    thing = type("Thing", (), {})()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(NUMBER))
    try:
        del thing  # Python drops what is raised in the callback of a weak reference
        time.sleep(30)
    finally:
        print("cleaned up")
    return 0

run_command(main)
"""

WHILE_IT_WAITS = """
import signal
from rgbd.terminal import run_command
from rgbd.interrupt import interrupted_after

def main():
    with interrupted_after("the work"):
        signal.raise_signal(NUMBER)
        print("work done")
    print("never")
    return 0

run_command(main)
"""

TWICE = """
import signal
from rgbd.terminal import run_command

def main():
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.raise_signal(signal.SIGTERM)
        print("cleaned up")
    return 0

run_command(main)
"""

IN_A_DESTRUCTOR = """
from rgbd.terminal import run_command

class Thing:
    def __del__(self):
        raise ValueError("told as Python tells it")

def main():
    Thing()
    return 0

run_command(main)
"""


IN_A_NEW_PROCESS = """
import multiprocessing, os, signal
from rgbd.interrupt import blocked_in_new_processes
from rgbd.terminal import run_command

def main():
    process = multiprocessing.get_context("spawn").Process(target=print, args=("work done",))
    with blocked_in_new_processes(NUMBER):
        process.start()
    os.kill(process.pid, NUMBER)  # before Python has started there
    process.join()
    signal.raise_signal(NUMBER)
    print("never")
    return 0

run_command(main)
"""

NOTED = """
import signal, time
from rgbd.interrupt import exit_code_after, noted
from rgbd.terminal import run_command

def main():
    with noted(second_ends=SECOND_ENDS) as first_signal:
        assert first_signal() == 0
        signal.raise_signal(NUMBER)
        signal.raise_signal(NUMBER)  # as `timeout` sends its signal twice
        print("work done", flush=True)
        time.sleep(1.1)
        signal.raise_signal(NUMBER)
        print("all work done")
    return exit_code_after(first_signal())

run_command(main)
"""


def run_program(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=25)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_python_would_drop_comes_again(number: signal.Signals) -> None:
    result = run_program(IN_A_CALLBACK.replace("NUMBER", str(int(number))))
    assert (result.returncode, result.stdout, result.stderr) == (128 + number, "cleaned up\n", "interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_what_it_would_break(number: signal.Signals) -> None:
    result = run_program(WHILE_IT_WAITS.replace("NUMBER", str(int(number))))
    assert (result.returncode, result.stdout) == (128 + number, "work done\n")
    assert result.stderr == "ends after the work\ninterrupted\n"


def test_work_in_another_thread_does_not_wait_for_signals() -> None:
    def work() -> None:
        with interrupted_after("the work"):
            done.append(1)

    done: list[int] = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]


def test_a_second_sigterm_does_not_break_off_the_cleaning_up() -> None:
    result = run_program(TWICE)
    assert (result.returncode, result.stdout, result.stderr) == (143, "cleaned up\n", "interrupted\n")


def test_other_errors_that_python_drops_are_told() -> None:
    result = run_program(IN_A_DESTRUCTOR)
    assert result.returncode == 0 and "told as Python tells it" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_blocked_signal_does_not_reach_a_new_process(number: signal.Signals) -> None:
    result = run_program(IN_A_NEW_PROCESS.replace("NUMBER", str(int(number))))
    assert (result.returncode, result.stdout, result.stderr) == (128 + number, "work done\n", "interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second_ends", [True, False])
def test_a_noted_signal_leaves_the_end_to_the_work(number: signal.Signals, second_ends: bool) -> None:
    result = run_program(NOTED.replace("NUMBER", str(int(number))).replace("SECOND_ENDS", str(second_ends)))
    if second_ends:
        assert (result.returncode, result.stdout, result.stderr) == (-number, "work done\n", "")
    else:
        assert (result.returncode, result.stdout) == (128 + number, "work done\nall work done\n"), result.stderr
