"""How long photos take, and how much that varies."""

from typing import TYPE_CHECKING

from edgecat.bench.report import Report, Row
from edgecat.progress import describe_count
from edgecat.report.facts import Facts
from edgecat.report.figures import draw
from edgecat.report.parts import Figure, Missing, Section, Table
from edgecat.report.svg import INKS
from edgecat.report.wording import megabytes
from edgecat.runtime.device import name_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEADS = (
    "Variant", "p50", "p95", "p99", "To fp32", "Photos a second", "Cold start", "Memory", "Runs in",
)  # fmt: skip


def build(facts: Facts) -> Section | Missing:
    """Return a drawing and a table for each result."""
    results = facts.sources.results
    if not results:
        return Missing("Latency", "results: edgecat benchmark BUNDLE --json FILE")
    lead = (
        "The times of single photos, already decoded: half of them take up to the dot (p50), 95 "
        "and 99 of 100 up to the marks behind it. Trust ratios more than milliseconds."
    )
    figures = tuple(_draw(f"latency-{number}", each) for number, each in enumerate(results))
    return Section("latency", "Latency", lead, figures)


def _draw(name: str, report: Report) -> Figure:
    bundle = str(report.settings.get("bundle", "unnamed"))
    where = f"{bundle} on {report.host.get('cpu', 'an unknown machine')}"
    rows = list(report.rows)
    slowest = max(rows, key=lambda row: row.latency_ms["p50"], default=None)
    description = f"{describe_count(len(rows), 'variant')}, p50 to p99" + (
        f"; the slowest is {_name(slowest)} with {slowest.latency_ms['p50']:.1f} ms."
        if slowest
        else "."
    )

    def paint(axes: "Axes") -> None:
        for place, row in enumerate(reversed(rows)):
            _paint_row(axes, place, row)
        axes.set_yticks(range(len(rows)), [_name(row) for row in reversed(rows)])
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.set_xlim(left=0)
        axes.set(xlabel="ms: p50, p95, p99")
        axes.grid(visible=False, axis="y")

    svg = draw(name, f"Latency: {where}", description, 0.9 + 0.42 * len(rows), paint)
    caption = f"{where}; noise: {report.noise.describe()}"
    return Figure(where, svg, Table(caption, _HEADS, tuple(map(_cells, rows))), is_key=True)


def _paint_row(axes: "Axes", place: int, row: Row) -> None:
    p50, p95, p99 = (row.latency_ms[name] for name in ("p50", "p95", "p99"))
    axes.plot([p50, p99], [place, place], color=INKS["s1"], linewidth=2)
    axes.plot([p95, p99], [place, place], "|", color=INKS["s1"], markersize=12, markeredgewidth=2)
    axes.plot(p50, place, "o", color=INKS["s1"], markersize=9)


def _name(row: Row) -> str:
    return name_on(row.variant, row.device)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        _name(row),
        *(f"{row.latency_ms[name]:.2f} ms" for name in ("p50", "p95", "p99")),
        f"{row.ratio_to_fp32:.2f}x" if row.ratio_to_fp32 else "-",
        f"{row.throughput_ips:.0f}",
        f"{row.cold_start_ms:.0f} ms",
        megabytes(row.peak_rss_bytes),
        row.precision.split(" (")[0],
    )
