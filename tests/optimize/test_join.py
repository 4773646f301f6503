"""Several processes in one search: each network is learned by one, and taken over from the dead."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.optimize.job import FRONT, PARENT, PLAN, SAVINGS  # noqa: E402
from edgecat.optimize.shared import Task, share_tasks, wait_for_folder  # noqa: E402
from edgecat.train.run import load_run  # noqa: E402

HOLDS = """
import sys, time
from pathlib import Path
from edgecat.train.lock import lock_file
with lock_file(Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(600)
"""

# Of both processes; a run that hangs is killed with the test.
PATIENCE_S = 900


def end(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture
def processes():
    """Those that end with the test."""
    started = []
    yield started
    for process in started:
        end(process)


@pytest.fixture
def hold(processes):
    """A function that lets a process of its own hold the lock of a file."""

    def start(file):
        process = subprocess.Popen([sys.executable, "-c", HOLDS, file], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"holds\n"
        return process

    return start


def make_tasks(folder, names):
    """Return tasks that make a file each, and may be done once only."""

    def do(name):
        with (folder / name).open("x"):
            pass

    return [
        Task(name, folder / f"{name}.taken", (folder / name).exists, lambda name=name: do(name))
        for name in names
    ]


def test_what_another_does_is_left_to_it_until_it_dies(tmp_path, hold, listens):
    other, progress = hold(tmp_path / "a.taken"), listens()
    tasks = make_tasks(tmp_path, "abc")
    done = share_tasks(tasks, "learned", lambda left: True, progress)
    assert [next(done).name, next(done).name] == ["b", "c"]
    assert progress.lines[0].startswith(f"a is being learned by process {other.pid} on ")
    threading.Timer(0.5, end, [other]).start()
    assert [task.name for task in done] == ["a"]
    assert progress.lines[1:] == ["waiting for a; Ctrl-C leaves that to the others"]


def test_what_another_gets_done_is_not_done_again(tmp_path, hold, listens):
    other = hold(tmp_path / "a.taken")
    threading.Timer(0.5, (tmp_path / "a").touch).start()
    done = share_tasks(make_tasks(tmp_path, "ab"), "learned", lambda left: True, listens())
    assert [task.name for task in done] == ["b", "a"]
    assert other.poll() is None


def test_nobody_waits_longer_than_it_may(tmp_path, hold, listens):
    hold(tmp_path / "a.taken")
    asked = []

    def may_go_on(left):
        asked.append(left)
        return len(asked) < 4

    done = share_tasks(make_tasks(tmp_path, "ab"), "learned", may_go_on, listens())
    assert [task.name for task in done] == ["b"]
    assert asked == [["a", "b"], ["a", "b"], ["a"], ["a"]]


def test_what_is_left_out_is_not_tried_for_ever(tmp_path, listens):
    tasks = [Task("a", tmp_path / "a.taken", lambda: False, lambda: None)]
    assert not list(share_tasks(tasks, "learned", lambda left: True, listens()))


def test_a_folder_that_another_plans_in_is_waited_for(tmp_path, hold, listens):
    other, progress = hold(tmp_path / "lock"), listens()
    threading.Timer(0.5, end, [other]).start()
    with wait_for_folder(tmp_path, progress):
        assert other.poll() == -signal.SIGKILL
    holder = f"process {other.pid} on {socket.gethostname()}"
    assert progress.lines == [f"{tmp_path}: waiting for {holder}, who measures and plans"]


class Search:
    """`edgecat optimize` in a process of its own."""

    def __init__(self, run, out, table, log):
        self.log = log
        options = ["--table", table, "--other-machine", "--speedup", "1.2", "--speedup", "2"]
        command = ["-m", "edgecat", "optimize", run, "--out", out, "--epochs", "3"]
        self.process = subprocess.Popen(
            [sys.executable, *command, *options], stdout=log.open("w"), stderr=subprocess.STDOUT
        )

    def wait_for(self, is_so):
        """Wait until something is so, while the process lives."""
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)


@pytest.mark.slow
def test_two_processes_share_a_search_and_one_takes_over_what_the_killed_one_learned(
    parent, table, tmp_path, processes
):
    out, moved = tmp_path / "search", shutil.copytree(parent, tmp_path / "elsewhere")
    first = Search(parent, out, table, tmp_path / "first.log")
    processes.append(first.process)
    first.wait_for(lambda: "epoch 1/3: loss" in first.log.read_text())
    first.process.send_signal(signal.SIGSTOP)  # in mid-training, for as long as it takes
    assert load_run(out / "x1.20").outcome is None
    kept = {name: (out / name).read_bytes() for name in (SAVINGS, PLAN)}

    second = Search(moved, out, table, tmp_path / "second.log")
    processes.append(second.process)
    second.wait_for(lambda: "waiting for x1.20" in second.log.read_text())
    assert load_run(out / "x2.00").outcome is not None
    assert load_run(out / "x1.20").outcome is None
    end(first.process)
    assert second.process.wait(PATIENCE_S) == 0, second.log.read_text()

    said = second.log.read_text()
    told = [f"x1.20 is being learned by process {first.process.pid} on ", "x2.00 learns on: "]
    told += ["waiting for x1.20; Ctrl-C", "x1.20 learns on: ", "resumed after epoch "]
    places = [said.index(words) for words in told]
    assert places == sorted(places)
    assert kept == {name: (out / name).read_bytes() for name in (SAVINGS, PLAN)}
    rows = json.loads((out / FRONT).read_text())["rows"]
    assert {row["name"] for row in rows} == {PARENT, "x1.20", "x2.00"}
    record = load_run(out / "x1.20")
    assert record.outcome is not None
    assert Path(record.parent.run) == moved
