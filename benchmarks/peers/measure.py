"""Measure one peer: its answers, its start, and its speed beside edgecat's variants, in turns."""

import contextlib
import statistics
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environments import measure_install_bytes
from benchmarks.peers.peer import UnavailableError
from benchmarks.peers.process import Entrant, Process
from edgecat.bench.clock import (
    Plan,
    interval_margin,
    median_interval,
    median_ratio,
    percentiles,
    ratios_by_round,
    take_rounds,
    take_turns,
)
from edgecat.bench.openings import NUM_OPENINGS
from edgecat.machine.conditions import read_conditions
from edgecat.machine.cores import count_threads
from edgecat.machine.noise import judge_noise
from edgecat.scores import metrics

_NUM_STARTS = 3

# Turns of each model in an opening, and how many of them before are not timed: the first answers
# allocate memory.
_NUM_TURNS, _NUM_WARMUP = 6, 2


@dataclass(frozen=True)
class Field:
    """Whom every peer runs against: started once, for all of them.

    Attributes:
        reference: The name of the one whose time is 1.
        processes: By name, open: the reference first, then edgecat's variants.
        threads: That all compute with.
    """

    reference: str
    processes: Mapping[str, Process]
    threads: int


@contextlib.contextmanager
def open_field(entrants: Sequence[Entrant], threads: int) -> Iterator[Field]:
    """Start the reference, the first entrant, and edgecat's variants for a block."""
    with contextlib.ExitStack() as stack:
        processes = {
            entrant.name: stack.enter_context(contextlib.closing(entrant.start(threads)))
            for entrant in entrants
        }
        yield Field(entrants[0].name, processes, threads)


def measure_answers(entrant: Entrant) -> dict[str, Any]:
    """Return a row's accuracy, sizes, start and versions.

    Raises:
        UnavailableError: It fails.
    """
    targets, expected = entrant.material.load_answers()
    with contextlib.closing(entrant.start(1)) as process, tempfile.TemporaryDirectory() as folder:
        described, file = process.call("describe"), Path(folder) / "logits.npy"
        process.call("answer", str(file))
        logits = np.load(file)
    is_right = logits.argmax(axis=1) == targets
    starts = [entrant.start_once() for _ in range(_NUM_STARTS)]
    return described | {
        "num_images": len(targets),
        "right": "".join("01"[int(right)] for right in is_right),
        "top1_ratio": float(is_right.mean()),
        "top1_interval_ratio": metrics.wilson_interval(int(is_right.sum()), len(targets)),
        "agreement_ratio": metrics.agreement_ratio(expected, logits),
        "cold_start_ms": statistics.median(start_ms for start_ms, _ in starts),
        "peak_rss_bytes": max(peak_bytes for _, peak_bytes in starts),
        "size_bytes": sum(file.stat().st_size for file in entrant.made.rglob("*")),
        "install_bytes": measure_install_bytes(entrant.python),
    }


def measure_speed(field: Field, entrant: Entrant) -> dict[str, Any]:
    """Return a row's latency, and its ratio to the reference and to each other one, by opening.

    All open their models anew for each, as `edgecat.bench.openings` has it and says why.

    Raises:
        UnavailableError: It, or one of the others, fails.
    """
    with contextlib.ExitStack() as stack:
        processes = dict(field.processes)
        if entrant.name not in processes:
            process = entrant.start(field.threads)
            processes[entrant.name] = stack.enter_context(contextlib.closing(process))
        photos_ms: list[float] = []
        before = read_conditions()
        times = _time_openings(processes, entrant.name, photos_ms)
    own_ms = times[entrant.name]
    ratios = {name: _compare(own_ms, other_ms) for name, other_ms in times.items()}
    margins = [interval_margin(one["ratio_interval"], one["ratio"]) for one in ratios.values()]
    noise = judge_noise(margins, before, read_conditions(), count_threads())
    return {
        "latency_ms": percentiles(photos_ms),
        "num_openings": len(own_ms),
        "noise": asdict(noise),
        **ratios[field.reference],
        "to": {name: ratio for name, ratio in ratios.items() if name != entrant.name},
    }


def _time_openings(
    processes: Mapping[str, Process], watched: str, photos_ms: list[float]
) -> dict[str, list[float]]:
    """Return the milliseconds of an answer of each, opening by opening.

    Args:
        processes: By name; in each opening another one is the first.
        watched: Of this one the milliseconds of every timed photo are put into `photos_ms`.
        photos_ms: Filled.
    """
    order = deque(processes)

    def take_round() -> dict[str, float]:
        turns: dict[str, list[list[float]]] = {name: [] for name in order}
        for name in order:
            _call(name, processes[name], "open")
        actions = {name: partial(_take_turn, name, processes[name], turns[name]) for name in order}
        times = take_turns(actions, Plan.fixed(_NUM_TURNS, _NUM_WARMUP))
        order.rotate(-1)
        photos_ms.extend(ms for turn in turns[watched][_NUM_WARMUP:] for ms in turn)
        return {name: statistics.median(times[name]) for name in processes}

    return take_rounds(take_round, Plan.fixed(NUM_OPENINGS, 0))


def _take_turn(name: str, process: Process, turns: list[list[float]]) -> float:
    """Return the milliseconds of the photo of a turn that other programs disturbed least."""
    times_ms: list[float] = _call(name, process, "measure_ms")
    turns.append(times_ms)
    return min(times_ms)


def _call(name: str, process: Process, method: str) -> Any:
    try:
        return process.call(method)
    except UnavailableError as error:
        raise UnavailableError(f"{name}: {error}") from error


def _compare(own_ms: Sequence[float], other_ms: Sequence[float]) -> dict[str, Any]:
    return {
        "ratio": median_ratio(own_ms, other_ms),
        "ratio_interval": median_interval(ratios_by_round(own_ms, other_ms)),
    }
