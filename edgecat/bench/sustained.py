"""Does a machine hold its speed? Its variants answer without a pause, for minutes, and heat it."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from edgecat.bench.clock import (
    Median,
    Plan,
    each_second,
    interval_margin,
    judge_speed,
    percentiles,
    take_turns,
)
from edgecat.bench.host import describe_host
from edgecat.bench.latency import time_on_noise
from edgecat.bench.run import open_all
from edgecat.bundle.store import load_bundle
from edgecat.machine.conditions import Conditions, read_conditions
from edgecat.machine.noise import Noise, judge_noise
from edgecat.progress import Progress
from edgecat.runtime.device import Resources
from edgecat.runtime.engine import check_device
from edgecat.scores.bounds import check_latencies

SCHEMA_VERSION = 1

_WARM_UP = Plan.fixed(0, 10)

# About a second of rounds, one at least.
_SECOND = Plan(max_warmup=0, min_warmup=0, min_rounds=1, max_s=1.0)

# What is compared: the first and the last minute; of a short run its first and last third.
_EDGE_S = 60.0

# Of six values the 95 % interval of their median is their range.
_MIN_SECONDS = 6
_TOO_SHORT: Literal["too short to tell"] = "too short to tell"

# A line of the result: 10 s, but of a long run a sixtieth, of a short one a sixth.
_SPAN_S, _MAX_SPANS, _MIN_SPANS = 10.0, 60, 6

_PERCENTS = (50, 90, 99)


@dataclasses.dataclass(frozen=True)
class Span:
    """A part of a run.

    Attributes:
        start_s: Since the run began.
        end_s: The same.
        num_photos: Answered by each variant.
        latency_ms: By variant, "p50", "p90", "p99" of single photos, decoded already.
        conditions: The machine at its end, still under load.
    """

    start_s: float
    end_s: float
    num_photos: int
    latency_ms: dict[str, dict[str, float]]
    conditions: Conditions


@dataclasses.dataclass(frozen=True)
class Slowdown:
    """A variant's latency at the end of a run by that at its beginning.

    Attributes:
        first_ms: The median of the medians of each second at the beginning: one photo is not
            independent of the next, a second is nearly so.
        last_ms: The same at the end.
        ratio: Last by first.
        interval: The ratio's 95 % interval.
        speed: "faster" or "slower" only where the interval says so; of fewer than six seconds it
            is their range, and says nothing.
    """

    first_ms: float
    last_ms: float
    ratio: float
    interval: tuple[float, float]
    speed: Literal["faster", "slower", "same", "too short to tell"]


@dataclasses.dataclass(frozen=True)
class Sustained:
    """What `edgecat benchmark --minutes N --json` writes.

    Attributes:
        host: As `edgecat.bench.host.describe_host` returns it.
        settings: How it was measured.
        duration_s: How long it went on.
        is_partial: Whether somebody ended it before its time.
        edge_s: How much of its beginning and of its end are compared.
        slowdowns: By variant.
        spans: What happened meanwhile, in order.
        skipped: Variants that this machine cannot run, and why.
        before: The machine, before it began.
        noise: How far the slowdowns can be trusted.
        kind: What tells it from the other results of `edgecat benchmark`.
        schema_version: Of this form.
    """

    host: dict[str, Any]
    settings: dict[str, Any]
    duration_s: float
    is_partial: bool
    edge_s: float
    slowdowns: dict[str, Slowdown]
    spans: tuple[Span, ...]
    skipped: dict[str, str]
    before: Conditions
    noise: Noise
    kind: Literal["sustained"] = "sustained"
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check that each span tells of each variant.

        Raises:
            ValueError: One does not, or a time that no clock measures.
        """
        names = [f"p{percent}" for percent in _PERCENTS]
        for span in self.spans:
            for variant in self.slowdowns:
                latency_ms = span.latency_ms.get(variant, {})
                check_latencies(f"latency_ms {variant}", latency_ms, names)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)


class _Log:
    """What is kept of a run: medians of each second, and more of each span."""

    def __init__(self, duration_s: float) -> None:
        """Begin one of about so many seconds."""
        self.spans: list[Span] = []
        self._seconds: list[tuple[float, dict[str, float]]] = []  # when each ended
        self._span_s = min(max(_SPAN_S, duration_s / _MAX_SPANS), duration_s / _MIN_SPANS)
        self._times: dict[str, list[float]] = {}  # of the span that is not over

    @property
    def duration_s(self) -> float:
        """Return when the last second ended."""
        return self._seconds[-1][0] if self._seconds else 0.0

    def add(self, times_ms: Mapping[str, Sequence[float]], end_s: float) -> None:
        """Keep a second: the milliseconds of each photo, by variant."""
        medians = {name: statistics.median(times) for name, times in times_ms.items()}
        self._seconds.append((end_s, medians))
        for name, times in times_ms.items():
            self._times.setdefault(name, []).extend(times)
        if end_s - self._start_s >= self._span_s:
            self.close_span()

    def close_span(self) -> None:
        """End the span that is not over, if there is one."""
        if self._times:
            latency_ms = {name: percentiles(own, _PERCENTS) for name, own in self._times.items()}
            num_photos = min(map(len, self._times.values()))
            times_s = self._start_s, self.duration_s
            self.spans.append(Span(*times_s, num_photos, latency_ms, read_conditions()))
        self._times = {}

    @property
    def _start_s(self) -> float:
        return self.spans[-1].end_s if self.spans else 0.0

    def compare_edges(self) -> tuple[float, dict[str, Slowdown]]:
        """Return how long beginning and end are, and what became of each variant."""
        edge_s = min(_EDGE_S, self.duration_s / 3)
        end_s = self.duration_s - edge_s
        first = [medians for when_s, medians in self._seconds if when_s <= edge_s]
        last = [medians for when_s, medians in self._seconds if when_s > end_s]
        first = first or [self._seconds[0][1]]
        return edge_s, {
            name: _compare([one[name] for one in first], [one[name] for one in last])
            for name in first[0]
        }


def _compare(first_ms: Sequence[float], last_ms: Sequence[float]) -> Slowdown:
    first, last = Median.of(first_ms), Median.of(last_ms)
    ratio = last.by(first)
    is_enough = min(len(first_ms), len(last_ms)) >= _MIN_SECONDS
    speed = judge_speed(ratio) if is_enough else _TOO_SHORT
    return Slowdown(first.value, last.value, ratio.value, ratio.interval, speed)


def run_sustained(
    name: str | Path,
    duration_s: float,
    resources: Resources,
    progress: Progress,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Sustained | None:
    """Let all variants of a bundle answer in turn, without a pause.

    Args:
        name: A bundle's folder or a released model's name.
        duration_s: How long.
        resources: To compute with.
        progress: Told of each second.
        is_stopping: Whether somebody asked for the end; what was measured till then is returned.

    Returns:
        What was measured; None if the end was asked for before anything was.

    Raises:
        BundleError: No bundle, or a damaged one.
        EngineError: None of the variants runs here, or the device is not there.
        ConfigError: The threads are below 1, or nobody knows the device.
    """
    bundle, before = load_bundle(name), read_conditions()
    check_device(bundle.spec.variants, resources.device)
    with open_all(bundle, resources) as (engines, skipped):
        actions = time_on_noise(engines, bundle.spec.input)
        with progress.phase("sustained, seconds", round(duration_s)) as step:
            log = _answer_for(duration_s, actions, is_stopping, each_second(step))
        precisions = {
            name: engine.describe()["effective_precision"] for name, engine in engines.items()
        }
    if not log.spans:
        return None
    edge_s, slowdowns = log.compare_edges()
    host, after = describe_host(), log.spans[-1].conditions
    margins = [
        1.0 if one.speed == _TOO_SHORT else interval_margin(one.interval, one.ratio)
        for one in slowdowns.values()
    ]
    return Sustained(
        host=host,
        settings={
            "bundle": bundle.spec.name,
            "threads": resources.threads,
            "device": resources.device,
            "duration_s": duration_s,
            "order": "interleaved",
            "precisions": precisions,
        },
        duration_s=log.duration_s,
        is_partial=log.duration_s < duration_s,
        edge_s=edge_s,
        slowdowns=slowdowns,
        spans=tuple(log.spans),
        skipped=skipped,
        before=before,
        noise=judge_noise(margins, before, after, host["num_usable_cores"]),
    )


def _answer_for(
    duration_s: float,
    actions: Mapping[str, Callable[[], float]],
    is_stopping: Callable[[], bool],
    on_round: Callable[[], object],
) -> _Log:
    """Take turns until time is up or somebody asks for the end."""
    log = _Log(duration_s)
    warm_up, second = (
        dataclasses.replace(plan, is_stopping=is_stopping) for plan in (_WARM_UP, _SECOND)
    )
    take_turns(actions, warm_up)
    started = time.monotonic()
    while log.duration_s < duration_s and not is_stopping():
        times_ms = take_turns(actions, second, on_round)
        if all(times_ms.values()):
            log.add(times_ms, time.monotonic() - started)
    log.close_span()
    return log
