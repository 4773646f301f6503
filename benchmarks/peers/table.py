"""The table of the race, and what follows from it, as Markdown."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.verdict import OURS, Duel, find_dominating
from edgecat.progress import describe_count

_MB = 1e6

_HEADS = (
    "name", "top-1 %", "same answer as the checkpoint %", "p50, p99 ms", "to the reference",
    "2 threads", "first answer ms", "RSS MB", "file MB", "installed MB", "dominated by",
)  # fmt: skip


def format_peers(result: dict[str, Any]) -> str:
    """Return the table, what is missing, and the verdict on each peer."""
    measured = [row for row in result["rows"] if "missing" not in row]
    ours = [row for row in measured if row["name"].startswith(OURS)]
    lines = ["|".join(["", *_HEADS, ""]), "|---" * len(_HEADS) + "|"]
    lines += ["|".join(["", *_cells(row, ours), ""]) for row in measured]
    missing = [f"- `{row['name']}`: {row['missing']}" for row in result["rows"] if "missing" in row]
    if missing:
        lines += ["", "Not to be had here:", "", *missing]
    host, num = result["host"], result["num_photos"]
    lines += [
        "",
        f"`{result['arch']}`, {num['val']} validation and {num['test']} test photos; 1 thread, "
        f"reference `{result['reference']}`; {host['cpu']} ({', '.join(host['features'])}); "
        f"{summarize_peers(result)}. {_describe_noise(measured)}.",
        "",
    ]
    return "\n".join(lines)


def summarize_peers(result: dict[str, Any]) -> str:
    """Return of how many peers, by the number of threads, something of edgecat is as good.

    In parentheses: how many of them have no more photos right than what dominates them.
    """
    rows, num_val = result["rows"], result["num_photos"]["val"]
    tested = [row | {"right": row["right"][num_val:]} for row in rows if "missing" not in row]
    raced = {threads for row in rows for threads in row.get("threads", {})}
    parts = [
        f"{describe_count(int(threads), 'thread')} {_count_dominated(rows, threads)}"
        for threads in sorted(raced)
    ]
    return (
        f"dominated peers (those with no more photos right): {'; '.join(parts)}; by the test "
        f"photos alone {_count_dominated(tested, '1')}"
    )


def _count_dominated(rows: Sequence[dict[str, Any]], threads: str) -> str:
    measured = [row for row in rows if "missing" not in row]
    ours = [row for row in measured if row["name"].startswith(OURS)]
    timed = [
        row for row in measured if row not in ours and "ratio" in row["threads"].get(threads, {})
    ]
    duels = {row["name"]: find_dominating(row, ours, threads) for row in timed}
    won = [duel for duel in duels.values() if duel]
    even = sum(duel.num_gained >= duel.num_lost for duel in won)
    rest = [f"`{name}`" for name, duel in duels.items() if duel is None]
    return f"{len(won)} of {len(timed)} ({even})" + (f", not {', '.join(rest)}" if rest else "")


def _cells(row: dict[str, Any], ours: Sequence[dict[str, Any]]) -> list[str]:
    low, high = row["top1_interval_ratio"]
    one, two = (row["threads"].get(threads, {}) for threads in ("1", "2"))
    latency = one.get("latency_ms", {})
    is_peer = not row["name"].startswith(OURS)
    duel = find_dominating(row, ours, "1") if is_peer and "to" in one else None
    return [
        f"`{row['name']}`",
        f"{100 * row['top1_ratio']:.1f} ({100 * low:.1f} to {100 * high:.1f})",
        f"{100 * row['agreement_ratio']:.1f}",
        ", ".join(f"{latency[name]:.2f}" for name in ("p50", "p99") if name in latency),
        _format_ratio(one),
        _format_ratio(two),
        f"{row['cold_start_ms']:.0f}",
        f"{row['peak_rss_bytes'] / _MB:.0f}",
        f"{row['size_bytes'] / _MB:.2f}",
        f"{row['install_bytes'] / _MB:.0f}",
        _format_duel(duel) if is_peer else "",
    ]


def _describe_noise(rows: Sequence[dict[str, Any]]) -> str:
    """Return how quiet the machine was, race by race."""
    speeds = [speed for row in rows for speed in row["threads"].values()]
    counts = Counter(speed["noise"]["verdict"] for speed in speeds if "noise" in speed)
    return "Races, by the noise of the machine: " + ", ".join(
        f"{verdict} {num}" for verdict, num in counts.items()
    )


def _format_ratio(speed: dict[str, Any]) -> str:
    if "ratio" not in speed:
        return str(speed.get("missing", ""))
    low, high = speed["ratio_interval"]
    return f"{speed['ratio']:.2f} ({low:.2f} to {high:.2f})"


def _format_duel(duel: Duel | None) -> str:
    """Return who dominates: photos gained and lost against the peer, and its time by the peer's."""
    if duel is None:
        return "**nothing**"
    return (
        f"`{duel.variant.removeprefix(OURS)}`: +{duel.num_gained} -{duel.num_lost}, "
        f"{1 / duel.ratio:.2f}x"
    )
