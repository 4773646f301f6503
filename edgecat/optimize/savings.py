"""What each edit of a network saves on a machine.

The time of a network is that of its blocks, so what edits of different blocks save should add up;
and a smaller input makes all blocks quicker, so its ratio is one of what the others leave. How far
that holds, benchmarks/optimize/predicted_latency.py asks.
"""

import dataclasses
import statistics
from collections.abc import Sequence

from edgecat.bench.clock import median_interval, ratios_by_round
from edgecat.bench.host import describe_host
from edgecat.errors import ConfigError
from edgecat.optimize.timing import Stopwatch
from edgecat.progress import Progress, Silent
from edgecat.runtime.engine import ENGINES
from edgecat.scores.bounds import LATENCIES_MS, LATENCY_RATIOS, check_interval, check_within


@dataclasses.dataclass(frozen=True)
class Saving:
    """What one edit does to the time of a photo.

    Attributes:
        ratio: Time with the edit by time without, median over rounds; below 1 it is quicker.
        interval_ratio: Its 95 % interval.
    """

    ratio: float
    interval_ratio: tuple[float, float]

    def __post_init__(self) -> None:
        """Check what networks are chosen by.

        Raises:
            ValueError: A ratio of two times that is none.
        """
        check_within("ratio", self.ratio, LATENCY_RATIOS)
        check_interval("interval_ratio", self.interval_ratio, LATENCY_RATIOS)


@dataclasses.dataclass(frozen=True)
class Savings:
    """What each edit of a network saves, measured with one thread.

    Attributes:
        arch: The network.
        variant: What was timed.
        latency_ms: Of the network as it is, median.
        edits: By edit, as `--edit` takes it.
        cpu: Where.
        versions: Of the packages that compute.
    """

    arch: str
    variant: str
    latency_ms: float
    edits: dict[str, Saving]
    cpu: str
    versions: dict[str, str]

    def __post_init__(self) -> None:
        """Check what networks are chosen by.

        Raises:
            ValueError: A time that no clock measures.
        """
        check_within("latency_ms", self.latency_ms, LATENCIES_MS)

    @property
    def margin_ratio(self) -> float:
        """Return the widest half of an interval: what is smaller than that may be chance."""
        return max(
            ((high - low) / 2 for low, high in (one.interval_ratio for one in self.edits.values())),
            default=0.0,
        )

    def check_here(self) -> None:
        """Refuse savings that another machine, or another version of an engine, has.

        Raises:
            ConfigError: They were measured elsewhere; what differs is named.
        """
        here = _describe_setting(self.variant)
        for name, measured in (("cpu", self.cpu), *self.versions.items()):
            found = here.get(name)
            if measured != found:
                raise ConfigError(f"measured with {name} {measured}, but here it is {found}")


def measure_savings(
    stopwatch: Stopwatch, edits: Sequence[str], progress: Progress | None = None
) -> Savings:
    """Measure what each edit alone saves, in turns with the network as it is.

    Args:
        stopwatch: Of the network.
        edits: As `edgecat.train.edit.apply_edit` knows them.
        progress: Told of each network.

    Raises:
        ConfigError: An edit does not fit.
        EngineError: The engine is not installed.
    """
    found: dict[str, Saving] = {}
    latencies_ms: list[float] = []
    with (progress or Silent()).phase("edits", len(edits)) as step:
        for times in stopwatch.time((edit,) for edit in edits):
            latencies_ms += times[()]
            for (edit,) in times.keys() - {()}:
                found[edit] = summarize(times[(edit,)], times[()])
                step()
    setting = _describe_setting(stopwatch.variant)
    return Savings(
        arch=stopwatch.arch,
        variant=stopwatch.variant,
        latency_ms=statistics.median(latencies_ms),
        edits={edit: found[edit] for edit in edits},
        cpu=setting.pop("cpu"),
        versions=setting,
    )


def measure_saving(stopwatch: Stopwatch, edits: tuple[str, ...]) -> Saving:
    """Measure what several edits save together, in turns with the network as it is.

    Args:
        stopwatch: Of the network.
        edits: As for `measure_savings`; one or more.

    Raises:
        ConfigError: An edit does not fit.
        EngineError: The engine is not installed.
    """
    [times] = stopwatch.time([edits])
    return summarize(times[edits], times[()])


def summarize(times_ms: list[float], reference_ms: list[float]) -> Saving:
    """Return what times are by those of a reference, measured in turns, in milliseconds."""
    ratios = ratios_by_round(times_ms, reference_ms)
    return Saving(statistics.median(ratios), median_interval(ratios))


def _describe_setting(variant: str) -> dict[str, str]:
    """Return what decides how long a photo takes: processor and the engine's version."""
    host, package = describe_host(), ENGINES.load(variant.partition("-")[0]).package
    return {"cpu": host["cpu"], package: host["versions"].get(package, "not installed")}
