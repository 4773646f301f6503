"""What `edgecat tune` found out, for people."""

from edgecat.bench.report import format_table
from edgecat.runtime.device import name_on
from edgecat.runtime.tuning import Accuracy, Timing, Tuning


def format_tuning(tuning: Tuning) -> str:
    """Return a table, the fastest first, and what follows from it."""
    heads = ("variant", "threads", "p50 ms", "p95 ms", "p99 ms", "to reference", "n", "drop pp")
    lines = [heads, *(_cells(one, tuning.accuracies.get(one.place)) for one in tuning.timings)]
    unfit = dict.fromkeys(f"{one.place}: {one.unfit}" for one in tuning.timings if one.unfit)
    setting = tuning.setting
    return "\n".join(
        [
            format_table(lines),
            "",
            f"reference: {tuning.reference}; intervals: 95 % of the median of rounds in turn; "
            "each variant in a process of its own",
            f"{setting.processor or setting.machine}, {setting.num_cores} cores; "
            + ", ".join(f"{name} {number}" for name, number in setting.versions.items()),
            f"noise: {tuning.noise.describe()}",
            *(f"not chosen: {line}" for line in unfit),
            *(f"not measured: {name}: {why}" for name, why in tuning.skipped.items()),
            *_list_warnings(tuning),
            f"chosen: {name_on(tuning.variant, tuning.device)}, threads: {tuning.threads}",
        ]
    )


def _list_warnings(tuning: Tuning) -> list[str]:
    warnings = []
    if tuning.is_partial:
        warnings.append("PARTIAL: ended before all was measured")
    if tuning.noise.verdict == "too noisy":
        warnings.append("CAREFUL: too noisy to be sure; run it again while nothing else runs")
    return warnings


def _cells(timing: Timing, accuracy: Accuracy | None) -> tuple[str, ...]:
    low, high = timing.ratio_interval
    drop = "-"
    if accuracy is not None:
        drop = (
            f"{accuracy.drop_interval_pp[0]:+.1f} to {accuracy.drop_interval_pp[1]:+.1f} "
            f"({accuracy.drop_pp:+.1f}, n = {accuracy.num_images})"
        )
    return (
        timing.place,
        str(timing.threads),
        *(f"{timing.latency_ms[name]:.2f}" for name in ("p50", "p95", "p99")),
        f"{low:.2f}-{high:.2f} ({timing.ratio:.2f}x)",
        str(timing.num_photos),
        drop,
    )
