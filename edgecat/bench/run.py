"""Measure all variants of a bundle in one run."""

import contextlib
import dataclasses
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from edgecat.bench.clock import median_ratio, percentiles
from edgecat.bench.evaluate import evaluate
from edgecat.bench.host import describe_host
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bench.report import Report, Row, find_notes
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.errors import ConfigError, EngineError
from edgecat.photos.input import InputSpec
from edgecat.progress import Progress, Silent
from edgecat.runtime.choice import open_engine
from edgecat.runtime.engine import Engine, exact_name
from edgecat.scores.evaluation import Evaluation

# Rounds: p99 needs at least 100 to be more than the maximum.
NUM_ROUNDS = 200
NUM_WARMUP = 20
NUM_BATCH_ROUNDS = 20
BATCH_SIZE = 8
NUM_COLD_STARTS = 3


@dataclasses.dataclass(frozen=True)
class Warm:
    """An engine measured while it was open.

    Attributes:
        precision: What it says it computes in.
        latencies_ms: Of each single photo.
        batches_ms: Of each batch of `BATCH_SIZE`.
    """

    precision: str
    latencies_ms: list[float]
    batches_ms: list[float]


@dataclasses.dataclass(frozen=True)
class Cold:
    """A variant measured in fresh processes.

    Attributes:
        start_ms: From the start of the process to its first answer, median.
        peak_rss_bytes: The largest of these processes.
    """

    start_ms: float
    peak_rss_bytes: int


def run_benchmark(
    name: str | Path,
    *,
    data: Path | None = None,
    threads: int = 1,
    num_rounds: int = NUM_ROUNDS,
    progress: Progress | None = None,
) -> Report:
    """Measure latency, throughput, cold start, memory and size of all variants of a bundle.

    Args:
        name: A bundle's folder or a released model's name.
        data: Labelled photos to measure the accuracy on, as `edgecat.bench.evaluate.evaluate` does.
        threads: To compute with. With more than one, the thread pools of all variants share the
            cores, and waiting threads spin, which slows others down. The report says so.
        num_rounds: Timed single photos of each variant.
        progress: Told of each step.

    Raises:
        BundleError: No bundle, or a damaged one.
        EngineError: None of the variants runs here.
        DatasetError: `data` is no data set for this model.
        ConfigError: `threads` is below 1.
    """
    if num_rounds < 1:
        raise ConfigError(f"num_rounds {num_rounds}: must be at least 1")
    progress = progress or Silent()
    bundle = load_bundle(name)
    with _open_all(bundle, threads) as (engines, skipped):
        scores = _evaluate(bundle, engines, data, progress)
        warm = _measure_warm(engines, bundle.spec.input, num_rounds, progress)
    cold = _measure_cold(bundle, list(warm), threads, progress)
    rows = [
        _describe(bundle.spec, variant, threads, warm, cold[variant], scores.get(variant))
        for variant in warm
    ]
    settings = {
        "bundle": bundle.spec.name,
        "threads": threads,
        "num_rounds": num_rounds,
        "num_warmup": NUM_WARMUP,
        "batch_size": BATCH_SIZE,
        "num_batch_rounds": NUM_BATCH_ROUNDS,
        "num_cold_starts": NUM_COLD_STARTS,
        "order": "interleaved",
        "split": next((score.split for score in scores.values()), None),
    }
    return Report(describe_host(), settings, tuple(rows), skipped, find_notes(rows, threads))


@contextlib.contextmanager
def _open_all(bundle: Bundle, threads: int) -> Iterator[tuple[dict[str, Engine], dict[str, str]]]:
    """Open every variant that this machine can run for a block; say of the others why not.

    Raises:
        EngineError: It can run none.
    """
    engines: dict[str, Engine] = {}
    skipped: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for variant in bundle.spec.variants:
            try:
                engine = open_engine(bundle, variant.name, threads)
            except EngineError as error:
                skipped[variant.name] = str(error)
            else:
                engines[variant.name] = stack.enter_context(contextlib.closing(engine))
        if not engines:
            raise EngineError("; ".join(skipped.values()))
        yield engines, skipped


def _evaluate(
    bundle: Bundle, engines: Mapping[str, Engine], data: Path | None, progress: Progress
) -> dict[str, Evaluation]:
    if data is None:
        return {}
    found = evaluate(bundle, list(engines.values()), data, progress=progress)
    return {evaluation.variant: evaluation for evaluation in found}


def _measure_warm(
    engines: Mapping[str, Engine], spec: InputSpec, num_rounds: int, progress: Progress
) -> dict[str, Warm]:
    """Measure engines that are open, all in turn."""
    with progress.phase("batch 1", num_rounds + NUM_WARMUP) as step:
        latencies = measure_latencies_ms(engines, spec, num_rounds, NUM_WARMUP, on_round=step)
    with progress.phase(f"batch {BATCH_SIZE}", NUM_BATCH_ROUNDS + 2) as step:
        batches = measure_latencies_ms(
            engines, spec, NUM_BATCH_ROUNDS, 2, size=BATCH_SIZE, on_round=step
        )
    return {
        name: Warm(engine.describe()["effective_precision"], latencies[name], batches[name])
        for name, engine in engines.items()
    }


def _measure_cold(
    bundle: Bundle, variants: Sequence[str], threads: int, progress: Progress
) -> dict[str, Cold]:
    """Measure fresh processes that open a variant and answer one photo."""
    with progress.phase("cold starts", len(variants) * NUM_COLD_STARTS) as step:
        return {name: _start_cold(bundle, name, threads, step) for name in variants}


def _start_cold(bundle: Bundle, variant: str, threads: int, step: Callable[[], object]) -> Cold:
    """Start fresh processes.

    Raises:
        EngineError: One failed.
    """
    command = [sys.executable, "-m", "edgecat.bench.cold", str(bundle.path), variant, str(threads)]
    times_ms, peaks = [], []
    for _ in range(NUM_COLD_STARTS):
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        times_ms.append(1e3 * (time.perf_counter() - started))
        if done.returncode:
            raise EngineError(f"{variant}: a fresh process failed: {done.stderr.strip()[-500:]}")
        peaks.append(json.loads(done.stdout)["peak_rss_bytes"])
        step()
    return Cold(statistics.median(times_ms), max(peaks))


def _describe(
    spec: ModelSpec,
    variant: str,
    threads: int,
    warm: Mapping[str, Warm],
    cold: Cold,
    score: Evaluation | None,
) -> Row:
    measured, fp32 = warm[variant], exact_name(spec.variant(variant))
    return Row(
        variant=variant,
        threads=threads,
        precision=measured.precision,
        latency_ms=percentiles(measured.latencies_ms),
        throughput_ips=1e3 * BATCH_SIZE / statistics.median(measured.batches_ms),
        cold_start_ms=cold.start_ms,
        peak_rss_bytes=cold.peak_rss_bytes,
        size_bytes=sum(spec.files[file].size_bytes for file in spec.variant(variant).files),
        ratio_to_fp32=(
            median_ratio(measured.latencies_ms, warm[fp32].latencies_ms)
            if fp32 in warm and fp32 != variant
            else None
        ),
        top1_ratio=score.top1_ratio if score else None,
        top1_interval_ratio=score.top1_interval_ratio if score else None,
        num_images=score.num_images if score else None,
        macro_f1_ratio=score.macro_f1_ratio if score else None,
        per_class=score.per_class if score else None,
    )
