"""What the server counts, for Prometheus."""

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    Summary,
    generate_latest,
)

from edgecat.serve.line import Line

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
            "Requests turned away because the line, the memory or the connections were full.",
            registry=self._registry,
        )
        self._latency = Histogram(
            "edgecat_answer_seconds",
            "Time from a request's head to its answer, of answered photos.",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._answers = Counter(
            "edgecat_answers",
            "Photos by what they were answered with: a class, or unknown.",
            ["answer"],
            registry=self._registry,
        )
        self._ood_score = Summary(
            "edgecat_ood_score",
            "How far photos are from those of the known classes; their mean is sum by count.",
            registry=self._registry,
        )
        self._queue = Gauge(
            "edgecat_queue_length",
            "Requests that wait for the worker or send their photo.",
            registry=self._registry,
        )
        self._bodies = Gauge(
            "edgecat_bodies_bytes",
            "What the bodies of all requests hold, or will hold, together.",
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

    def count_prediction(self, answer: str, ood_score: object) -> None:
        """Count what a photo was answered with.

        Args:
            answer: The class, or "unknown".
            ood_score: None where the bundle has no detector.
        """
        self._answers.labels(answer).inc()
        if isinstance(ood_score, float):
            self._ood_score.observe(ood_score)

    def count_refusal(self, code: str) -> None:
        """Count a request that was refused or cut off, by the code of its error."""
        self._requests.labels(code).inc()
        if code in ("busy", "made_room", "no_room", "too_many_connections"):
            self._refused.inc()

    def count_reload(self, *, accepted: bool) -> None:
        """Count a change of the bundle."""
        self._reloads.labels("accepted" if accepted else "refused").inc()

    def watch_line(self, line: Line) -> None:
        """Ask the line for its length and its bytes whenever the metrics are read."""
        self._queue.set_function(lambda: line.num_waiting)
        self._bodies.set_function(lambda: line.num_bytes)

    def to_text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
