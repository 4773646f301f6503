"""Measure all variants of a bundle in one run."""

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from edgecat.bench.clock import median_interval, percentiles
from edgecat.bench.cold_starts import NUM_COLD_STARTS, Cold, measure_cold
from edgecat.bench.effort import NEVER, USUAL, Effort, Stopping
from edgecat.bench.energy import Energy, measure_energy
from edgecat.bench.evaluate import answer_known_photos
from edgecat.bench.host import describe_host
from edgecat.bench.latency import answer_noise, measure_latencies_ms
from edgecat.bench.openings import NUM_OPENINGS, Openings, Timed, time_openings
from edgecat.bench.report import Report, Row, find_notes
from edgecat.bench.stages import measure_stages
from edgecat.bundle.manifest import ModelSpec
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.errors import DeviceError, EngineError, SelfTestError
from edgecat.machine.conditions import read_conditions
from edgecat.machine.energy import find_meter
from edgecat.machine.noise import judge_noise
from edgecat.photos.input import InputSpec
from edgecat.progress import Progress, Silent
from edgecat.runtime.choice import open_engine
from edgecat.runtime.device import CPU, Resources
from edgecat.runtime.engine import Engine, check_device, exact_name
from edgecat.scores.evaluation import Evaluation

NUM_BATCH_ROUNDS = 20
BATCH_SIZE = 8

#: What the latency of single photos is compared with on all machines.
ONE_THREAD = Resources(threads=1)


@dataclasses.dataclass(frozen=True)
class Warm:
    """An engine measured while it was open.

    Attributes:
        variant: Its name.
        precision: What it says it computes in.
        device: What it says it computes on.
        batches_ms: Of each batch of `BATCH_SIZE`.
    """

    variant: str
    precision: str
    device: str
    batches_ms: list[float]


def run_benchmark(
    name: str | Path,
    *,
    data: Path | None = None,
    resources: Resources = ONE_THREAD,
    effort: Effort = USUAL,
    progress: Progress | None = None,
    stopping: Stopping = NEVER,
) -> Report:
    """Measure all variants of a bundle: latency, throughput, cold start, memory, size, energy.

    Args:
        name: A bundle's folder or a released model's name.
        data: Labelled photos to measure the accuracy on, as `edgecat.bench.evaluate.evaluate` does,
            and to time the stages from file to answer with.
        resources: To compute with. With more threads than one, the thread pools of all variants
            share the cores, and waiting threads spin, which slows others down. The report says so.
        effort: For how long single photos are timed.
        progress: Told of each step.
        stopping: Entered while single photos are timed, which takes longest. It is asked whether to
            end; what was measured till then is returned.

    Raises:
        BundleError: No bundle, or a damaged one.
        EngineError: None of the variants runs here, or the device is not there.
        DatasetError: `data` is no data set for this model.
        ImageError: One of its photos is not there any more.
        ConfigError: The threads are below 1, or nobody knows the device.
        StorageError: The temporary folder is full.
        KeyboardInterrupt: It was to end before anything was measured.
    """
    progress, before = progress or Silent(), read_conditions()
    bundle, threads = load_bundle(name), resources.threads
    check_device(bundle.spec.variants, resources.device)
    with open_all(bundle, resources) as (engines, skipped):
        scores = _evaluate(bundle, engines, data, progress)
        warm = _measure_warm(engines, bundle.spec.input, progress)
        stages = None
        if data is not None:
            stages = measure_stages(bundle, engines, data, effort.num_rounds, progress)
        energy, no_energy = _measure_energy(engines, bundle.spec.input, progress)
    models = {one.variant: prepare(bundle, one.variant, resources) for one in warm}
    cold = measure_cold(bundle, list(models), resources, progress)  # what may fail, before an hour
    with stopping as is_stopping:
        times = _measure_latencies(models, effort, is_stopping, progress)
        is_partial = is_stopping()
    if not times.medians_ms:
        raise KeyboardInterrupt
    rows = [_describe(bundle.spec, one, times, cold[one.variant], scores, threads) for one in warm]
    settings = {
        "bundle": bundle.spec.name,
        "threads": threads,
        "device": resources.device,
        "num_rounds": len(times.photos_ms[rows[0].variant]),
        "num_openings": len(times.medians_ms[rows[0].variant]),
        "certainty": effort.to_settings(),
        "batch_size": BATCH_SIZE,
        "num_batch_rounds": NUM_BATCH_ROUNDS,
        "num_cold_starts": NUM_COLD_STARTS,
        "order": "interleaved",
        "split": scores.split,
        "photos_sha256": scores.photos_sha256,
    }
    host, after = describe_host(), read_conditions()
    return Report(
        host=host,
        settings=settings,
        rows=tuple(rows),
        skipped=skipped,
        notes=find_notes(rows, threads, scores.num_seen),
        before=before,
        after=after,
        noise=judge_noise(times.list_margins(), before, after, host["num_usable_cores"]),
        stages=stages,
        energy=energy,
        no_energy=no_energy,
        is_partial=is_partial,
    )


def prepare(bundle: Bundle, variant: str, resources: Resources) -> Timed:
    """Return a variant of a bundle to time; opening it raises what `open_engine` does."""

    def open_it() -> AbstractContextManager[Engine]:
        engine = open_engine(bundle, variant, resources.threads, device=resources.device)
        return contextlib.closing(engine)

    return Timed(open_it, bundle.spec.input)


def _measure_latencies(
    models: Mapping[str, Timed],
    effort: Effort,
    is_stopping: Callable[[], bool],
    progress: Progress,
) -> Openings:
    num_photos = math.ceil(effort.num_rounds / NUM_OPENINGS)
    plan = dataclasses.replace(effort.plan(), is_stopping=is_stopping)
    with progress.phase("batch 1", NUM_OPENINGS) as step:
        return time_openings(models, num_photos, plan, step)


@contextlib.contextmanager
def open_all(
    bundle: Bundle, resources: Resources
) -> Iterator[tuple[dict[str, Engine], dict[str, str]]]:
    """Open every variant that this machine can run for a block; say of the others why not.

    Raises:
        EngineError: It can run none.
    """
    engines: dict[str, Engine] = {}
    skipped: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for variant in bundle.spec.variants:
            try:
                engine = open_engine(
                    bundle, variant.name, resources.threads, device=resources.device
                )
            except (EngineError, SelfTestError) as error:
                skipped[variant.name] = error.without(variant.name)
            else:
                engines[variant.name] = stack.enter_context(contextlib.closing(engine))
        if not engines:
            raise EngineError("; ".join(f"{name}: {why}" for name, why in skipped.items()))
        yield engines, skipped


@dataclasses.dataclass(frozen=True)
class Scores:
    """What was measured on labelled photos, if any were given.

    Attributes:
        by_variant: The scores.
        right: As `edgecat.bench.evaluate.Answered.list_right` returns it, by variant.
        split: Which photos count.
        photos_sha256: Which photos these are.
        num_seen: How many of them the model was trained or tuned on.
    """

    by_variant: dict[str, Evaluation] = dataclasses.field(default_factory=dict)
    right: dict[str, str] = dataclasses.field(default_factory=dict)
    split: str | None = None
    photos_sha256: str | None = None
    num_seen: int = 0


def _evaluate(
    bundle: Bundle, engines: Mapping[str, Engine], data: Path | None, progress: Progress
) -> Scores:
    if data is None:
        return Scores()
    opened = list(engines.values())
    answered = answer_known_photos(bundle, opened, data, progress=progress)
    return Scores(
        dict(zip(engines, answered.score(bundle, opened), strict=True)),
        dict(zip(engines, answered.list_right(), strict=True)),
        answered.split,
        answered.photos_sha256,
        answered.num_seen,
    )


def _measure_warm(engines: Mapping[str, Engine], spec: InputSpec, progress: Progress) -> list[Warm]:
    """Measure engines that are open, all in turn."""
    with progress.phase(f"batch {BATCH_SIZE}", NUM_BATCH_ROUNDS + 2) as step:
        batches = measure_latencies_ms(
            engines, spec, NUM_BATCH_ROUNDS, 2, size=BATCH_SIZE, on_round=step
        )
    found = {name: engine.describe() for name, engine in engines.items()}
    return [
        Warm(name, one["effective_precision"], one.get("device", CPU), batches[name])
        for name, one in found.items()
    ]


def _measure_energy(
    engines: Mapping[str, Engine], spec: InputSpec, progress: Progress
) -> tuple[Energy | None, str]:
    """Return what a photo costs, or why this machine does not tell."""
    try:
        return measure_energy(find_meter(), answer_noise(engines, spec), progress), ""
    except DeviceError as error:
        return None, str(error)


def _describe(
    spec: ModelSpec, warm: Warm, times: Openings, cold: Cold, scores: Scores, threads: int
) -> Row:
    variant = spec.variant(warm.variant)
    score = scores.by_variant.get(variant.name)
    exact = exact_name(variant)
    is_compared = exact in times.medians_ms and exact != variant.name
    ratios = times.list_ratios(variant.name, exact) if is_compared else []
    return Row(
        variant=variant.name,
        threads=threads,
        precision=warm.precision,
        device=warm.device,
        latency_ms=percentiles(times.photos_ms[variant.name]),
        latency_interval_ms=median_interval(times.medians_ms[variant.name]),
        throughput_ips=1e3 * BATCH_SIZE / statistics.median(warm.batches_ms),
        cold_start_ms=cold.start_ms,
        peak_rss_bytes=cold.peak_rss_bytes,
        size_bytes=spec.size_bytes(variant),
        ratio_to_fp32=statistics.median(ratios) if ratios else None,
        ratio_interval=median_interval(ratios) if ratios else None,
        top1_ratio=score.top1_ratio if score else None,
        top1_interval_ratio=score.top1_interval_ratio if score else None,
        num_images=score.num_images if score else None,
        macro_f1_ratio=score.macro_f1_ratio if score else None,
        per_class=score.per_class if score else None,
        right=scores.right.get(variant.name),
    )
