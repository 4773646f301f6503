"""A peer, seen from the race: its model made, and processes in its environment that answer."""

import json
import os
import re
import select
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import PROJECT, last_line, open_environment
from benchmarks.peers.material import Material
from benchmarks.peers.peer import Peer, UnavailableError
from edgecat.atomic import new_folder

_CHILD = "benchmarks.peers.child"

# torch.compile takes a minute on a busy machine, quantizing with 300 photos two.
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Entrant:
    """A peer whose model is made.

    Attributes:
        name: "onnxruntime/default".
        peer: How it is made and opened.
        material: What all are given.
        work: Holds environments, models and logs.
    """

    name: str
    peer: Peer
    material: Material
    work: Path

    @property
    def made(self) -> Path:
        """The folder of its model's files."""
        return self.work / "models" / slug(self.name)

    @property
    def python(self) -> Path:
        """The Python of the environment that it answers in."""
        return open_environment(self.peer.runs_in, self.work)

    def make(self) -> None:
        """Make its model, if it is not there yet.

        Raises:
            UnavailableError: An environment cannot be installed, or the library makes none.
        """
        if self.made.exists():
            return
        python = open_environment(self.peer.makes_in, self.work)
        with new_folder(self.made) as new:
            self._run([str(python), "-m", _CHILD, "make", *self._names(new)], new)

    def start_once(self) -> tuple[float, int]:
        """Return how long a fresh process takes to its first answer, ms, and its largest memory.

        Raises:
            UnavailableError: It fails.
        """
        command = [str(self.python), "-m", _CHILD, "once", *self._names(self.made), "1"]
        started = time.perf_counter()
        answer = self._run(command, self.made)
        return 1e3 * (time.perf_counter() - started), json.loads(answer)["peak_rss_bytes"]

    def start(self, threads: int) -> "Process":
        """Return a process that has opened the model."""
        command = [str(self.python), "-m", _CHILD, "serve", *self._names(self.made), str(threads)]
        return Process(self, command, threads)

    def log(self) -> Path:
        """Return where its processes' complaints go."""
        path = self.work / "logs" / f"{slug(self.name)}.txt"
        path.parent.mkdir(exist_ok=True)
        return path

    def _names(self, made: Path) -> list[str]:
        return [self.name, str(self.material.folder), str(made)]

    def _run(self, command: Sequence[str], folder: Path) -> str:
        try:
            done = subprocess.run(
                command, cwd=folder, env=make_environment(1), capture_output=True, text=True,
                check=False, timeout=_TIMEOUT_S,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"not done after {_TIMEOUT_S} s") from error
        self.log().write_text(done.stderr)
        if done.returncode:
            raise UnavailableError(describe_end(done.returncode, done.stderr))
        return done.stdout


class Process:
    """An open model in a process of its own."""

    def __init__(self, entrant: Entrant, command: Sequence[str], threads: int) -> None:
        """Start it; it opens the model when it is first asked."""
        self._entrant = entrant
        with entrant.log().open("w") as log:
            self._child = subprocess.Popen(
                command, cwd=entrant.made, env=make_environment(threads),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its number."""
        return self._child.pid

    def call(self, method: str, *arguments: Any) -> Any:
        """Return what a method of `benchmarks.peers.child.Answerer` returns.

        Raises:
            UnavailableError: It failed, or takes too long.
        """
        source, sink = self._child.stdin, self._child.stdout
        assert source is not None and sink is not None  # both are pipes
        try:
            source.write(json.dumps([method, *arguments]) + "\n")
            source.flush()
        except BrokenPipeError:
            raise self._describe_end() from None
        if not select.select([sink], [], [], _TIMEOUT_S)[0]:
            raise UnavailableError(f"no answer after {_TIMEOUT_S} s")
        line = sink.readline()
        if not line:
            raise self._describe_end()
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        self._child.kill()
        self._child.communicate()

    def _describe_end(self) -> UnavailableError:
        return UnavailableError(describe_end(self._child.wait(), self._entrant.log().read_text()))


def make_environment(threads: int) -> dict[str, str]:
    """Return the variables of a child: this source, no other, and OpenMP's number of threads."""
    return os.environ | {
        "PYTHONPATH": str(PROJECT),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": str(threads),
    }


def describe_end(exitcode: int, complaints: str) -> str:
    """Return why a child ended, in a line: a signal, or what it said last."""
    if exitcode < 0:
        return f"ended by signal {-exitcode}"
    return re.sub(r"^benchmarks\.peers\.peer\.UnavailableError: ", "", last_line(complaints))


def slug(name: str) -> str:
    """Return a name for a file."""
    return name.replace("/", "-")
