"""A sustained run as text: a line for each span of time, and what became of each variant."""

from collections.abc import Sequence

from edgecat.bench.report import format_host, format_table
from edgecat.bench.sustained import Slowdown, Span, Sustained
from edgecat.machine.throttling import name_flags


def format_sustained(run: Sustained) -> str:
    """Return a table, the first against the last minute, and how far to trust it."""
    told = {head: tell for head, tell in _CONDITIONS.items() if any(map(tell, run.spans))}
    heads = ("until s", *(f"{name} p50 ms" for name in run.slowdowns), *told)
    lines = [
        (
            f"{span.end_s:.0f}",
            *(f"{span.latency_ms[name]['p50']:.2f}" for name in run.slowdowns),
            *(tell(span) or "-" for tell in told.values()),
        )
        for span in run.spans
    ]
    return "\n".join(
        [
            format_table([heads, *lines]),
            "",
            *(_describe(name, run.edge_s, one) for name, one in run.slowdowns.items()),
            f"noise: {run.noise.describe()}",
            f"all variants in turn without a pause, threads: {run.settings['threads']}, batch 1",
            *format_host(run.host),
            *_list_remarks(run, [head for head in _CONDITIONS if head not in told]),
        ]
    )


def _tell_frequency(span: Span) -> str:
    found = span.conditions.frequency_mhz
    return "" if found is None else f"{found:.0f}"


def _tell_temperature(span: Span) -> str:
    found = span.conditions.temperature_c
    return "" if found is None else f"{found:.1f}"


def _tell_flags(span: Span) -> str:
    found = span.conditions.throttled
    return "" if found is None else ", ".join(name_flags(found)) or "well"


# What a column says of the machine; "" where it does not tell.
_CONDITIONS = {
    "MHz": _tell_frequency,
    "degrees C": _tell_temperature,
    "board says": _tell_flags,
}


def _describe(variant: str, edge_s: float, one: Slowdown) -> str:
    low, high = one.interval
    return (
        f"{variant}: {one.first_ms:.2f} ms in the first {edge_s:.0f} s, {one.last_ms:.2f} in the "
        f"last: {low:.2f}-{high:.2f} ({one.ratio:.2f}x), {one.speed}"
    )


def _list_remarks(run: Sustained, missing: Sequence[str]) -> list[str]:
    remarks = [f"not run: {name}: {why}" for name, why in run.skipped.items()]
    if missing:
        remarks.append(f"not told by this machine: {', '.join(missing)}")
    if run.is_partial:
        wanted_s = run.settings["duration_s"]
        remarks.append(f"PARTIAL: ended after {run.duration_s:.0f} of {wanted_s:.0f} s")
    return remarks
