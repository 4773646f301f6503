"""What values a score can take: nothing else is believed of a manifest, or written into one."""

from collections.abc import Mapping, Sequence

#: Temperatures that `edgecat.scores.metrics.fit_temperature` searches, lowest and highest.
TEMPERATURES = (1 / 20, 20.0)

#: OOD scores are made of logits and weighed residuals, which are tens; of either sign.
OOD_SCORES = (-1e6, 1e6)

#: What ViM weighs the residual with; `edgecat.scores.ood.fit_detector` gives no other.
RESIDUAL_WEIGHTS = (1e-12, 1e6)

RATIOS = (0.0, 1.0)

#: Differences of two shares, percentage points.
DROPS_PP = (-100.0, 100.0)

#: Of a photo, milliseconds: from a nanosecond to a day.
LATENCIES_MS = (1e-6, 86_400_000.0)

#: Of photos, threads, bytes; a float64 holds each of them.
MAX_COUNT = 2**53

#: Of two models of one network, on however busy a machine.
LATENCY_RATIOS = (1e-6, 1e6)


def check_latencies(name: str, latencies_ms: Mapping[str, float], percents: Sequence[str]) -> None:
    """Refuse percentiles one of which is missing, or a time that no clock measures.

    Args:
        name: Of what took the time, for the message.
        latencies_ms: By percentile, milliseconds of a photo.
        percents: All that must be there: "p50".

    Raises:
        ValueError: It is.
    """
    for percent in percents:
        check_within(f"{name} {percent}", latencies_ms.get(percent, 0.0), LATENCIES_MS)


def check_within(name: str, value: float, bounds: tuple[float, float]) -> None:
    """Refuse a number out of bounds; NaN, too.

    Raises:
        ValueError: It is.
    """
    low, high = bounds
    if not low <= value <= high:
        raise ValueError(f"{name} {value} is not from {low:g} to {high:g}")


def check_interval(name: str, interval: tuple[float, float], bounds: tuple[float, float]) -> None:
    """Refuse an interval whose upper end comes first, or that is out of bounds.

    Raises:
        ValueError: It is.
    """
    low, high = interval
    if not low <= high:
        raise ValueError(f"{name} {interval} must have two ends, the lower one first")
    for end in interval:
        check_within(name, end, bounds)


def check_count(name: str, value: int) -> None:
    """Refuse a count below 0 or above `MAX_COUNT`.

    Raises:
        ValueError: It is one.
    """
    if value < 0:
        raise ValueError(f"{name} {value} is below 0")
    if value > MAX_COUNT:
        raise ValueError(f"{name} is above {MAX_COUNT}")
