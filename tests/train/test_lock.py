"""Two runs into one folder at once: the second is refused; a dead one's lock keeps nobody out."""

import dataclasses
import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="needs torch (edgecat[train])")

from edgecat.errors import TrainError
from edgecat.train.finetune import finetune
from edgecat.train.lock import lock_run

HOLDS = """
import sys, time
from pathlib import Path
from edgecat.train.lock import lock_run
with lock_run(Path(sys.argv[1])):
    print("holds", flush=True)
    time.sleep(600)
"""


TRIES = """
import contextlib, sys
from pathlib import Path
from edgecat.errors import RunInUse
from edgecat.train.lock import lock_run
for _ in range(3000):
    with contextlib.suppress(RunInUse), lock_run(Path(sys.argv[1])):
        pass
"""


def hold(run):
    process = subprocess.Popen([sys.executable, "-c", HOLDS, run], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"holds\n"
    return process


def end(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_second_holder_is_refused_and_told_who_holds_until_that_one_dies(tmp_path):
    run = tmp_path / "r"
    process = hold(run)
    try:
        words = rf"/r: process {process.pid} on .* writes this run"
        with pytest.raises(TrainError, match=words), lock_run(run):
            pytest.fail("two hold one lock")
    finally:
        end(process)
    assert (run / "lock").exists()  # nobody could clean up
    with lock_run(run):
        assert f"process {os.getpid()} on " in (run / "lock").read_text()
    assert not run.exists()


def test_holders_that_come_and_go_at_once_never_fail(tmp_path):
    command = [sys.executable, "-c", TRIES, tmp_path / "r"]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert not (tmp_path / "r").exists()


def test_a_folder_is_kept_if_something_was_written(tmp_path):
    with lock_run(tmp_path / "r"):
        (tmp_path / "r" / "run.json").write_text("{}")
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["run.json"]


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_into_a_folder_that_another_process_writes_is_refused(job, tmp_path, resume):
    run = tmp_path / "r"
    process = hold(run)
    try:
        with pytest.raises(TrainError, match=f"process {process.pid} .*give --out another name"):
            finetune(dataclasses.replace(job, run=run, resume=resume))
        assert [path.name for path in run.iterdir()] == ["lock"]
    finally:
        end(process)
