"""The way in: what a service does before it can do anything."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecat.cli.start import main

pytestmark = pytest.mark.slow  # starts processes

ENTRY = [sys.executable, "-c", "from edgecat.cli.start import main; main()"]
TIMEOUT_S = 30


def is_deaf(process):
    """Return whether SIGHUP is ignored or caught. Source: proc_pid_status(5)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    masks = [int(mask, 16) for mask in re.findall(r"Sig(?:Ign|Cgt):\s+(\w+)", status)]
    return any(mask & 1 << signal.SIGHUP - 1 for mask in masks)


def wait_until_deaf(process):
    deadline = time.monotonic() + TIMEOUT_S
    while not is_deaf(process):
        assert process.poll() is None, "ended before"
        assert time.monotonic() < deadline, "waited in vain"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["serve", "BUNDLE", "--host", "0.0.0.0"], 2),  # refused when the bundle is open
        (["watch", "BUNDLE", "DIR", "--out", "results.jsonl", "--once"], 0),
        (["stream", "BUNDLE"], 4),  # no frame in what it reads
    ],
)
def test_a_hangup_at_any_moment_of_the_start_does_not_end_a_service(
    make_bundle, colour_model, tmp_path, command, code
):
    places = {"BUNDLE": make_bundle(files={"model.onnx": colour_model}), "DIR": tmp_path / "photos"}
    places["DIR"].mkdir()
    with subprocess.Popen(
        [*ENTRY, *(str(places.get(word, word)) for word in command)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until_deaf(process)
        # What takes time comes behind it: click first, numpy and the engine then.
        assert "numpy" not in Path(f"/proc/{process.pid}/maps").read_text()
        deadline = time.monotonic() + TIMEOUT_S
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.001)
        process.kill()
    assert process.returncode == code


def test_a_hangup_ends_what_is_no_service(monkeypatch, capsys):
    """The terminal of an export was closed."""
    before = signal.getsignal(signal.SIGHUP)
    monkeypatch.setattr(sys, "argv", ["edgecat", "export", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "Usage: edgecat export" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGHUP) == before
