"""The result of a benchmark: plain values for machines, a table for people."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from edgecat.bench.energy import Energy
from edgecat.bench.stages import Stages
from edgecat.machine.conditions import Conditions
from edgecat.machine.noise import Noise
from edgecat.runtime.device import CPU, name_on
from edgecat.runtime.precision import INT8
from edgecat.scores.bounds import LATENCIES_MS, check_count, check_interval, check_latencies
from edgecat.scores.class_score import ClassScore
from edgecat.scores.evaluation import describe_seen
from edgecat.scores.metrics import describe_small_classes

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Row:
    """One variant, measured.

    Attributes:
        variant: Its name.
        threads: It computed with.
        precision: What the engine says it computes in.
        latency_ms: "p50", "p95", "p99" of single photos, decoded already.
        latency_interval_ms: The 95 % interval of the p50.
        throughput_ips: Photos a second in batches of `settings["batch_size"]`.
        cold_start_ms: From the start of a fresh process to its first answer, median.
        peak_rss_bytes: Of that process.
        size_bytes: Of the variant's files.
        ratio_to_fp32: Latency by that of the same engine's fp32, round by round, median.
        ratio_interval: Its 95 % interval.
        top1_ratio: On the photos of `--data`; None without.
        top1_interval_ratio: Its 95 % interval.
        num_images: Photos it was measured on.
        macro_f1_ratio: Mean F1 of the classes on them, each of the same weight, 0-1.
        per_class: By label, recall, precision and number of photos.
        device: What the engine says it computes on.
        right: Which photos it has right, "1", or wrong, "0", sorted by the photos' hashes.
    """

    variant: str
    threads: int
    precision: str
    latency_ms: dict[str, float]
    latency_interval_ms: tuple[float, float]
    throughput_ips: float
    cold_start_ms: float
    peak_rss_bytes: int
    size_bytes: int
    ratio_to_fp32: float | None
    ratio_interval: tuple[float, float] | None = None
    top1_ratio: float | None = None
    top1_interval_ratio: tuple[float, float] | None = None
    num_images: int | None = None
    macro_f1_ratio: float | None = None
    per_class: dict[str, ClassScore] | None = None
    device: str = CPU
    right: str | None = None

    def __post_init__(self) -> None:
        """Check what is calculated with.

        Raises:
            ValueError: A time that no clock measures, a size that no memory has, or answers to
                another number of photos.
        """
        check_interval("latency_interval_ms", self.latency_interval_ms, LATENCIES_MS)
        check_latencies("latency_ms", self.latency_ms, ("p50", "p95", "p99"))
        check_count("peak_rss_bytes", self.peak_rss_bytes)
        check_count("size_bytes", self.size_bytes)
        right = self.right
        if right is not None and (len(right) != self.num_images or not {*right} <= {*"01"}):
            raise ValueError(f"right: not one of 0 and 1 for each of {self.num_images} photos")


@dataclasses.dataclass(frozen=True)
class Report:
    """What `edgecat benchmark --json` writes.

    Attributes:
        host: As `edgecat.bench.host.describe_host` returns it.
        settings: How it was measured.
        rows: A variant each, one or more.
        skipped: Variants that this machine cannot run, and why.
        notes: What a person should not overlook.
        before: The machine, before it began.
        after: And when it ended.
        noise: How far the times can be trusted.
        stages: Where the time from a photo's bytes to its answer goes; None without `--data`.
        energy: What a photo costs; None where the machine does not tell.
        no_energy: Why it does not; "" where it does.
        is_partial: Whether somebody ended it before its time.
        schema_version: Of this form; another one has other keys, or means others.
    """

    host: dict[str, Any]
    settings: dict[str, Any]
    rows: tuple[Row, ...]
    skipped: dict[str, str]
    notes: tuple[str, ...]
    before: Conditions
    after: Conditions
    noise: Noise
    stages: Stages | None = None
    energy: Energy | None = None
    no_energy: str = ""
    is_partial: bool = False
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        """Check that something was measured.

        Raises:
            ValueError: Nothing was.
        """
        if not self.rows:
            raise ValueError("rows: there is none")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)


def find_notes(rows: Sequence[Row], threads: int, num_seen: int = 0) -> tuple[str, ...]:
    """Say plainly what is slower than float, when threads got in the way, what scores are worth.

    Args:
        rows: One or more.
        threads: They computed with.
        num_seen: Of the photos that were answered, those that the model was trained or tuned on.
    """
    slow = [row for row in rows if row.ratio_interval and row.ratio_interval[0] > 1]
    notes = [
        f"{row.variant} is SLOWER than fp32 on this machine: {row.ratio_to_fp32:.2f} times its "
        "latency; it saves size, not time"
        for row in slow
        if row.variant.partition("-")[2].startswith(INT8.name)
    ]
    if threads > 1 and len(rows) > 1:
        notes.append(
            f"the thread pools of {len(rows)} variants shared the cores during this run, which "
            "slows some down; for ratios that can be trusted measure with --threads 1"
        )
    counts = {label: one.num_images for label, one in (rows[0].per_class or {}).items()}
    if warning := describe_small_classes(counts):
        notes.append(warning.removeprefix("CAREFUL: "))
    if warning := describe_seen(num_seen):
        notes.append(f"top-1 and F1: {warning}")
    return tuple(notes)


def format_report(report: Report) -> str:
    """Return a table, and below it the host and the notes."""
    heads = (
        "variant", "p50 ms", "p95 ms", "p99 ms", "to fp32", "images/s", "cold ms", "RSS MB",
        "size MB", "top-1 %", "macro F1 %", "runs in",
    )  # fmt: skip
    lines = [heads, *(_cells(row) for row in report.rows)]
    settings = report.settings
    precision = f", n = {report.rows[0].num_images}" if report.rows[0].num_images else ""
    return "\n".join(
        [
            format_table(lines),
            "",
            *_format_recalls(report.rows),
            *_format_stages(report.stages),
            *_format_energy(report.energy),
            f"noise: {report.noise.describe()}",
            f"{settings['num_rounds']} photos of each variant, all in turn, threads: "
            f"{settings['threads']}, batch 1 (images/s: batch {settings['batch_size']}){precision}",
            *format_host(report.host),
            *([f"energy: not measured: {report.no_energy}"] if report.no_energy else []),
            *(f"not run: {name}: {why}" for name, why in report.skipped.items()),
            *(f"NOTE: {note}" for note in report.notes),
            *_format_end(report),
        ]
    )


def format_host(host: Mapping[str, Any]) -> list[str]:
    """Return two lines: the machine, and the libraries' versions.

    Args:
        host: As `edgecat.bench.host.describe_host` returns it.
    """
    return [
        f"{host['cpu']}, {host['num_cpus']} CPUs ({' '.join(host['features'])}), "
        f"governor {host['governor'] or 'unknown'}, "
        f"{host['temperature_c'] or 'unknown'} degrees C, load {_tell_load(host['load_1min'])}",
        ", ".join(f"{name} {number}" for name, number in host["versions"].items()),
    ]


def _tell_load(load_1min: float | None) -> str:
    return "unknown" if load_1min is None else f"{load_1min:.1f}"


def format_table(lines: Sequence[Sequence[str]]) -> str:
    """Return lines of cells in columns; the first column to the left, the others to the right.

    Args:
        lines: The heads first; all of the same length.
    """
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    head, *rest = [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([head, "  ".join("-" * width for width in widths), *rest])


def _format_recalls(rows: Sequence[Row]) -> list[str]:
    """Return the recall of each class as a table, with an empty line behind it; or nothing."""
    classes = rows[0].per_class or {}
    if not classes:
        return []
    lines = [("recall %", "n", *(row.variant for row in rows))]
    for label, one in classes.items():
        scores = [(row.per_class or {}).get(label) for row in rows]
        recalls = [f"{100 * score.recall_ratio:.1f}" if score else "-" for score in scores]
        lines.append((label, str(one.num_images), *recalls))
    return [format_table(lines), ""]


def _format_stages(stages: Stages | None) -> list[str]:
    """Return each stage's times as a table, with an empty line behind it; or nothing."""
    if stages is None:
        return []
    times = {"decode": stages.decode_ms, "preprocess": stages.preprocess_ms}
    for name, own in stages.variants.items():
        times |= {
            f"{name}: infer": own.infer_ms,
            f"{name}: postprocess": own.postprocess_ms,
            f"{name}: all four": own.total_ms,
        }
    heads = (f"stage, {stages.num_photos} photos", "p50 ms", "p90 ms", "p99 ms")
    lines = [
        (name, *(f"{found[p]:.2f}" for p in ("p50", "p90", "p99"))) for name, found in times.items()
    ]
    return [format_table([heads, *lines]), ""]


def _format_end(report: Report) -> list[str]:
    """Return that a run is not whole; or nothing."""
    if not report.is_partial:
        return []
    return [f"PARTIAL: ended after {report.settings['num_openings']} openings of each variant"]


def _format_energy(energy: Energy | None) -> list[str]:
    """Return what a photo costs as a table, with an empty line behind it; or nothing."""
    if energy is None:
        return []
    lines = [("energy of a photo", "mJ above idle", "mJ in all")]
    for name, one in energy.variants.items():
        low, high = (1e3 * joules for joules in one.net_interval_j)
        net = f"{low:.1f}-{high:.1f} ({1e3 * one.net_j:.1f})"
        lines.append((name, net, f"{1e3 * one.gross_j:.1f}"))
    idle = f"idle, the machine takes {energy.idle_w:.2f} W; told by {energy.source}"
    return [format_table(lines), idle, ""]


def _cells(row: Row) -> tuple[str, ...]:
    top1 = "-"
    if row.top1_ratio is not None and row.top1_interval_ratio is not None:
        low, high = row.top1_interval_ratio
        top1 = f"{100 * low:.1f}-{100 * high:.1f} ({100 * row.top1_ratio:.1f})"
    return (
        name_on(row.variant, row.device),
        *(f"{row.latency_ms[name]:.2f}" for name in ("p50", "p95", "p99")),
        f"{row.ratio_to_fp32:.2f}x" if row.ratio_to_fp32 else "-",
        f"{row.throughput_ips:.0f}",
        f"{row.cold_start_ms:.0f}",
        f"{row.peak_rss_bytes / 1e6:.0f}",
        f"{row.size_bytes / 1e6:.2f}",
        top1,
        "-" if row.macro_f1_ratio is None else f"{100 * row.macro_f1_ratio:.1f}",
        row.precision.split(" (")[0],
    )
