"""What the server counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

#: The media type of what `Metrics.to_text` returns.
METRICS_TYPE = CONTENT_TYPE_LATEST

# From a warm x86 core (about 4 ms) to a Raspberry Pi with a full line.
_BUCKETS_S = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        """Start at zero."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # memory, processor time, open files
        self._requests = Counter(
            "edgecat_requests",
            "Requests by outcome: answered, or the code of the error.",
            ["outcome"],
            registry=self._registry,
        )
        self._refused = Counter(
            "edgecat_refused",
            "Requests turned away because the line or the connections were full.",
            registry=self._registry,
        )
        self._latency = Histogram(
            "edgecat_answer_seconds",
            "Time from a request's head to its answer, of answered photos.",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._queue = Gauge(
            "edgecat_queue_length",
            "Requests that wait for the worker or send their photo.",
            registry=self._registry,
        )
        self._reloads = Counter(
            "edgecat_bundle_reloads",
            "Changes of the bundle by outcome: accepted or refused.",
            ["outcome"],
            registry=self._registry,
        )

    def count_answer(self, duration_s: float) -> None:
        """Count a photo that was answered."""
        self._requests.labels("answered").inc()
        self._latency.observe(duration_s)

    def count_refusal(self, code: str) -> None:
        """Count a request that was refused or cut off, by the code of its error."""
        self._requests.labels(code).inc()
        if code in ("busy", "too_many_connections"):
            self._refused.inc()

    def count_reload(self, *, accepted: bool) -> None:
        """Count a change of the bundle."""
        self._reloads.labels("accepted" if accepted else "refused").inc()

    def watch_queue(self, length: Callable[[], float]) -> None:
        """Ask this function for the queue's length whenever the metrics are read."""
        self._queue.set_function(length)

    def to_text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
