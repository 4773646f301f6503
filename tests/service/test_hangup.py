"""A service that is told to reload while it starts goes on starting; tried on real processes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # starts processes

ENTRY = [sys.executable, "-c", "from edgecat.cli.main import main; main()"]

# So long a test waits for something that must come.
WAIT_S = 30


def is_let_to_end_it(process):
    """Return whether SIGHUP would end a process: neither ignored nor caught."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigIgn", "SigCgt"))]
    return not any(mask >> (signal.SIGHUP - 1) & 1 for mask in masks)


@pytest.mark.parametrize("command", [["watch"], ["stream"], ["serve", "--port", "0"]])
def test_hanging_up_while_it_starts_does_not_end_it(command, make_bundle, colour_model, tmp_path):
    bundle = make_bundle(files={"model.onnx": colour_model})
    options = [tmp_path, "--out", tmp_path.parent / "results.jsonl"] if "watch" in command else []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0edgecat-test-hangup-{os.getpid()}")
        manager.setblocking(False)
        environment = os.environ | {"NOTIFY_SOCKET": f"@edgecat-test-hangup-{os.getpid()}"}
        with subprocess.Popen(
            [*ENTRY, command[0], bundle, *options, *command[1:]],
            env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            started_s = time.monotonic()
            while is_let_to_end_it(process):
                assert time.monotonic() < started_s + WAIT_S
            num_sent = 0
            while not is_ready(manager):
                assert process.poll() is None, process.stderr.read()
                process.send_signal(signal.SIGHUP)
                num_sent += 1
                time.sleep(0.005)
            process.terminate()
            assert process.wait(WAIT_S) == 0
    assert num_sent > 10  # it began long before the imports were done


def is_ready(manager):
    try:
        return manager.recv(1000) == b"READY=1"
    except BlockingIOError:
        return False
