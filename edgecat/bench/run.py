"""Measure all variants of a bundle in one run."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from edgecat.bench.clock import median_ratio, percentiles
from edgecat.bench.evaluate import evaluate
from edgecat.bench.host import describe_host
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bench.report import Report, Row, find_notes
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.errors import ConfigError, EngineError
from edgecat.progress import Progress, Silent
from edgecat.runtime.engines.base import Engine, open_engine
from edgecat.scores.evaluation import Evaluation

# Rounds: p99 needs at least 100 to be more than the maximum.
NUM_ROUNDS = 200
NUM_WARMUP = 20
NUM_BATCH_ROUNDS = 20
BATCH_SIZE = 8
NUM_COLD_STARTS = 3


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
    engines, skipped = _open_all(bundle, threads)
    try:
        evaluations: Mapping[str, Evaluation] = {}
        if data is not None:
            found = evaluate(bundle, list(engines.values()), data, progress=progress)
            evaluations = {evaluation.variant: evaluation for evaluation in found}
        latencies = _measure(engines, 1, num_rounds, NUM_WARMUP, progress)
        batches = _measure(engines, BATCH_SIZE, NUM_BATCH_ROUNDS, 2, progress)
        facts = {variant: engine.describe() for variant, engine in engines.items()}
    finally:
        for engine in engines.values():
            engine.close()
    rows = []
    with progress.phase("cold starts", len(engines) * NUM_COLD_STARTS) as step:
        for variant in engines:
            cold_ms, rss_bytes = _measure_cold(bundle, variant, threads, step)
            fp32 = f"{variant.split('-')[0]}-fp32"
            score = evaluations.get(variant)
            rows.append(
                Row(
                    variant=variant,
                    threads=threads,
                    precision=facts[variant]["effective_precision"],
                    latency_ms=percentiles(latencies[variant]),
                    throughput_ips=1e3 * BATCH_SIZE / statistics.median(batches[variant]),
                    cold_start_ms=cold_ms,
                    peak_rss_bytes=rss_bytes,
                    size_bytes=sum(
                        bundle.spec.files[file].size_bytes
                        for file in bundle.spec.variant(variant).files
                    ),
                    ratio_to_fp32=(
                        median_ratio(latencies[variant], latencies[fp32])
                        if fp32 in latencies and fp32 != variant
                        else None
                    ),
                    top1_ratio=score.top1_ratio if score else None,
                    top1_interval_ratio=score.top1_interval_ratio if score else None,
                    num_images=score.num_images if score else None,
                    macro_f1_ratio=score.macro_f1_ratio if score else None,
                    per_class=score.per_class if score else None,
                )
            )
    settings = {
        "bundle": bundle.spec.name,
        "threads": threads,
        "num_rounds": num_rounds,
        "num_warmup": NUM_WARMUP,
        "batch_size": BATCH_SIZE,
        "num_batch_rounds": NUM_BATCH_ROUNDS,
        "num_cold_starts": NUM_COLD_STARTS,
        "order": "interleaved",
        "split": next((evaluation.split for evaluation in evaluations.values()), None),
    }
    return Report(describe_host(), settings, tuple(rows), skipped, find_notes(rows, threads))


def _open_all(bundle: Bundle, threads: int) -> tuple[dict[str, Engine], dict[str, str]]:
    """Open every variant that this machine can run; say of the others why not.

    Raises:
        EngineError: It can run none.
    """
    engines: dict[str, Engine] = {}
    skipped: dict[str, str] = {}
    for variant in bundle.spec.variants:
        try:
            engines[variant.name] = open_engine(bundle, variant.name, threads)
        except EngineError as error:
            skipped[variant.name] = str(error)
    if not engines:
        raise EngineError("; ".join(skipped.values()))
    return engines, skipped


def _measure(
    engines: Mapping[str, Engine], size: int, num_rounds: int, num_warmup: int, progress: Progress
) -> dict[str, list[float]]:
    with progress.phase(f"batch {size}", num_rounds + num_warmup) as step:
        return measure_latencies_ms(engines, num_rounds, num_warmup, size=size, on_round=step)


def _measure_cold(
    bundle: Bundle, variant: str, threads: int, step: Callable[[], object]
) -> tuple[float, int]:
    """Return milliseconds from process start to first answer, and that process's peak memory.

    Raises:
        EngineError: The process failed.
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
    return statistics.median(times_ms), max(peaks)
