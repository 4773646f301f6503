"""A comparison of two results as text: for a terminal, or as Markdown for a pull request."""

from collections.abc import Sequence

from edgecat.bench.compare import Change, ReportComparison
from edgecat.bench.report import format_table

_HEADS = ("variant", "p50 ms", "time", "speed", "to fp32", "MB", "top-1 lost pp", "accuracy")


def format_comparison(comparison: ReportComparison) -> str:
    """Return a table and what else there is to say, for a terminal."""
    table = format_table([_HEADS, *map(_cells, comparison.changes)])
    return "\n".join([table, "", *_list_remarks(comparison)])


def format_markdown(comparison: ReportComparison) -> str:
    """Return the same as Markdown."""
    rows = [_HEADS, ("---",) * len(_HEADS), *map(_cells, comparison.changes)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([*lines, "", *(f"- {remark}" for remark in _list_remarks(comparison))])


def _cells(change: Change) -> Sequence[str]:
    low, high = change.latency_interval
    drop = "-"
    if change.drop_pp is not None and change.drop_interval_pp is not None:
        least, most = change.drop_interval_pp
        drop = f"{least:+.1f} to {most:+.1f} ({change.drop_pp:+.2f})"
    sizes_mb = [f"{size / 1e6:.2f}" for size in change.size_bytes]
    return (
        change.variant,
        " -> ".join(f"{latency_ms:.2f}" for latency_ms in change.latency_ms),
        f"{low:.2f}-{high:.2f} ({change.latency_ratio:.2f}x)",
        change.speed,
        " -> ".join(f"{ratio:.2f}x" for ratio in change.ratio_to_fp32 or ()) or "-",
        " -> ".join(dict.fromkeys(sizes_mb)),
        drop,
        change.accuracy,
    )


def _list_remarks(comparison: ReportComparison) -> list[str]:
    failures = comparison.failures
    return [
        *(f"only before: {name}" for name in comparison.only_before),
        *(f"only after: {name}" for name in comparison.only_after),
        *(f"compared ANYWAY, in spite of: {what}" for what in comparison.differences),
        *(f"changed: {what}" for what in comparison.versions),
        *(f"note: {note}" for note in comparison.notes),
        *(f"WORSE than allowed: {failure}" for failure in failures),
    ]
