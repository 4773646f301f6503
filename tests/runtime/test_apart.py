"""Work in a process of its own: what it returns, what it raises, how it dies."""

import faulthandler
import os
import signal
import subprocess
import sys
import time

import pytest

from edgecat.errors import BundleError, EngineError
from edgecat.runtime.apart import Apart, CrashError, run_apart


def fail():
    raise BundleError("a bundle; mend it")


def die_of(number):
    faulthandler.disable()  # pytest's report of it
    os.kill(os.getpid(), number)


def test_work_apart_returns_its_value_and_leaves_no_trace_here():
    here = []
    assert run_apart("work", lambda: [here.append(1), os.getpid()][1]) != os.getpid()
    assert here == []


def test_an_error_apart_arrives_as_it_was_raised():
    with pytest.raises(BundleError, match="a bundle; mend it"):
        run_apart("work", fail)


def test_any_other_exception_apart_is_an_error_of_the_engine():
    with pytest.raises(EngineError, match="ZeroDivisionError"):
        run_apart("work", lambda: 1 // 0)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: die_of(signal.SIGILL), "work: crashed \\(SIGILL\\)"),
        (lambda: die_of(signal.SIGSEGV), "work: crashed \\(SIGSEGV\\)"),
        (lambda: os._exit(3), "work: crashed \\(exit code 3\\)"),
    ],
)
def test_a_crash_apart_is_an_error_here(action, words):
    with pytest.raises(CrashError, match=words):
        run_apart("work", action)


class Counter:
    def __init__(self, start):
        self.number = start

    def add(self, amount):
        self.number += amount
        return self.number, os.getpid()


def test_an_object_apart_remembers_between_calls_and_lives_elsewhere():
    with Apart("counter", lambda: Counter(10)) as counter:
        first, place = counter.call("add", 1)
        second, same_place = counter.call("add", 2)
    assert (first, second) == (11, 13)
    assert place == same_place != os.getpid()


def test_an_object_that_cannot_be_made_says_why_with_its_first_call():
    with Apart("counter", fail) as counter, pytest.raises(BundleError, match="mend it"):
        counter.call("add", 1)


def test_an_error_of_one_call_spoils_no_other():
    with Apart("counter", lambda: Counter(0)) as counter:
        with pytest.raises(EngineError, match="TypeError"):
            counter.call("add", "x")
        assert counter.call("add", 5)[0] == 5


def test_a_process_that_died_between_calls_is_a_crash():
    with Apart("counter", lambda: Counter(0)) as counter:
        _, place = counter.call("add", 1)
        os.kill(place, signal.SIGKILL)
        with pytest.raises(CrashError, match=r"counter: crashed \(SIGKILL\)"):
            counter.call("add", 1)


def test_what_a_terminal_sends_to_all_does_not_end_it():
    with Apart("counter", lambda: Counter(0)) as counter:
        _, place = counter.call("add", 1)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(place, number)
        assert counter.call("add", 1)[0] == 2


def test_closing_ends_the_process():
    with Apart("counter", lambda: Counter(0)) as counter:
        _, place = counter.call("add", 1)
    with pytest.raises(ProcessLookupError):
        os.kill(place, 0)


def test_work_takes_as_long_as_it_may_and_no_longer():
    with pytest.raises(CrashError, match=r"work: not done after 0\.1 s"):
        run_apart("work", lambda: time.sleep(5), timeout_s=0.1)
    assert run_apart("work", lambda: time.sleep(0.2), timeout_s=None) is None


MADE_MEANWHILE = """
import os, signal, time
from edgecat.runtime.apart import run_apart

os.register_at_fork({when}=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    print(run_apart("work", lambda: {work}))
except KeyboardInterrupt:
    print("stopped")
"""


@pytest.mark.parametrize(
    ("when", "work", "shown"),
    [("after_in_child", "7", "7"), ("after_in_parent", "time.sleep(600)", "stopped")],
)
def test_ctrl_c_while_the_copy_is_made_stops_the_original_and_it_the_copy(when, work, shown):
    script = MADE_MEANWHILE.format(when=when, work=work)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (f"{shown}\n", "")
