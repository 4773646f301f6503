"""Runs many small cases in a few processes that may crash or hang, and says what each came to."""

import dataclasses
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from edgecat.machine.memory import peak_rss_bytes

# No case may compute for longer. Processor time, so that a busy machine is no hang.
MAX_CPU_S = 2.0

# A process that says nothing for this long waits for something: it is killed.
_SILENCE_S = 30.0

# Findings that a person is shown; the result has all.
_NUM_SHOWN = 10

# What a case may come to without being a finding.
FINE = ("answered", "refused")


@dataclasses.dataclass
class Outcome:
    """What all cases came to.

    Attributes:
        counts: How many came to what: "answered", "refused", "crash", "hang" or any other word.
        findings: Of those that are not in `FINE`: the case's number, word and details.
        slowest_s: The longest processor time of one case, seconds.
        peak_rss_bytes: The largest memory of a process.
        duration_s: Of the whole run, seconds.
    """

    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    findings: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    slowest_s: float = 0.0
    peak_rss_bytes: int = 0
    duration_s: float = 0.0

    def note(self, case: int, word: str, detail: str) -> None:
        """Count a case."""
        self.counts[word] += 1
        if word not in FINE:
            self.findings.append({"case": case, "word": word, "detail": detail[:300]})

    def describe(self) -> str:
        """Return a line on all cases, and one for each of the first findings."""
        line = (
            f"{dict(self.counts)}, slowest {self.slowest_s:.2f} s of at most {MAX_CPU_S} s, peak "
            f"{self.peak_rss_bytes / 2**20:.0f} MiB, {self.duration_s:.0f} s"
        )
        return "\n  ".join([line, *map(str, self.findings[:_NUM_SHOWN])])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self) | {"counts": dict(sorted(self.counts.items()))}


@dataclasses.dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    results: Connection
    case: int
    heard_s: float


def run_cases(
    check: Callable[[int], tuple[str, str]], num_cases: int, num_workers: int = 2
) -> Outcome:
    """Run `check` on the numbers below `num_cases`.

    Args:
        check: Makes a case of its number, tries it, and returns a word and details. Importable.
        num_cases: How many.
        num_workers: Processes; one that crashes or hangs is replaced.
    """
    started = time.monotonic()
    outcome = Outcome()
    workers = [_start(check, number, num_cases, num_workers) for number in range(num_workers)]
    while workers:
        ready = wait([worker.results for worker in workers], timeout=1.0)
        for worker in list(workers):
            gone = False
            if worker.results in ready:
                gone = not _hear(worker, outcome, num_workers)
            elif time.monotonic() - worker.heard_s > _SILENCE_S:
                worker.process.kill()
                outcome.note(worker.case, "hang", f"silent for {_SILENCE_S} s")
                gone = True
            if gone:
                worker.process.join()
                workers.remove(worker)
                code = worker.process.exitcode
                if code not in (0, -9):
                    outcome.note(worker.case, "crash", f"exit code {code}")
                if code != 0 and worker.case + num_workers < num_cases:
                    workers.append(_start(check, worker.case + num_workers, num_cases, num_workers))
    outcome.duration_s = time.monotonic() - started
    return outcome


def _start(
    check: Callable[[int], tuple[str, str]], first: int, num_cases: int, step: int
) -> _Worker:
    # A fresh interpreter, as a device has it: nothing of this process is inherited.
    context = multiprocessing.get_context("spawn")
    results, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, check, first, num_cases, step))
    process.start()
    theirs.close()
    return _Worker(process, results, first, time.monotonic())


def _hear(worker: _Worker, outcome: Outcome, step: int) -> bool:
    """Take one result; return whether the worker still lives."""
    try:
        word, detail, cpu_s, rss_bytes = worker.results.recv()
    except EOFError:
        return False
    if word in FINE and cpu_s > MAX_CPU_S:
        word, detail = "hang", f"{cpu_s:.1f} s of processor time, then {word}"
    outcome.note(worker.case, word, detail)
    outcome.slowest_s = max(outcome.slowest_s, cpu_s)
    outcome.peak_rss_bytes = max(outcome.peak_rss_bytes, rss_bytes)
    worker.case += step
    worker.heard_s = time.monotonic()
    return True


def _work(
    results: Connection,
    check: Callable[[int], tuple[str, str]],
    first: int,
    num_cases: int,
    step: int,
) -> None:
    # Decoders print what they think of a broken file.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    for case in range(first, num_cases, step):
        started_s = time.process_time()
        try:
            word, detail = check(case)
        except Exception as error:
            word, detail = "broken check", repr(error)
        cpu_s = time.process_time() - started_s
        results.send((word, detail, cpu_s, peak_rss_bytes()))
