"""Is a variant worth running, and where?"""

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median

from edgecat.bench.openings import Timed, time_openings
from edgecat.bundle.manifest import Variant
from edgecat.bundle.verdict import Verdict
from edgecat.photos.input import InputSpec
from edgecat.quantize.model import Model
from edgecat.quantize.search import Budget
from edgecat.runtime.engine import exact_name, find_engine, find_precision, reference_name
from edgecat.runtime.target import TARGETS, detect_target
from edgecat.scores.compare import AccuracyChange

# Timed photos of each variant in an opening.
_NUM_PHOTOS = 10


def measure_ratios(models: Sequence[Model], spec: InputSpec) -> dict[str, float]:
    """Return each variant's latency by that of the reference, with one thread.

    Args:
        models: Those that run here; the reference among them.
        spec: What they take.
    """
    times = time_openings(
        {one.variant.name: Timed(partial(one.open, threads=1), spec) for one in models}, _NUM_PHOTOS
    )
    reference = reference_name()
    return {name: median(times.list_ratios(name, reference)) for name in times.medians_ms}


def count_ratios(variant: Variant) -> dict[str, float]:
    """Return a variant's instructions by those of the reference, for targets where they are known.

    That is a rule for the choice on a device: no latency was measured there.
    """
    counted = find_engine(variant).instruction_ratios
    ratios = {
        target: counted.get(TARGETS.load(target).family, {}).get(variant.precision)
        for target in TARGETS.names
    }
    return {target: ratio for target, ratio in ratios.items() if ratio is not None}


def decide(
    variant: Variant, ratios: Mapping[str, float], change: AccuracyChange | None, budget: Budget
) -> Verdict:
    """Return a variant's verdict.

    Args:
        variant: Whose.
        ratios: Latencies of all variants on this machine, as `measure_ratios` returns them.
        change: What it loses on the validation photos; None for a float variant, proven equal.
        budget: What it may lose, and for which processors it was made.
    """
    here = detect_target()
    over_budget = _find_loss(change, budget)
    reasons = {}
    for target in TARGETS.names:
        reason = over_budget or _find_gap(variant, target, here, budget)
        if not reason and target == here:
            reason = _find_delay(variant, ratios)
        if reason:
            reasons[target] = reason
    return Verdict(
        ships_to=tuple(target for target in TARGETS.names if target not in reasons),
        reasons=reasons,
        measured_on=here,
        latency_ratio=ratios[variant.name],
    )


def _find_loss(change: AccuracyChange | None, budget: Budget) -> str:
    """Return why a variant is worth running nowhere; "" if it loses little."""
    if change is None or budget.holds(change):
        return ""
    return (
        f"over budget: it loses {change.drop_pp:.1f} pp on {change.num_images} validation "
        f"photos, allowed are {budget.max_drop_pp:g}"
    )


def _find_gap(variant: Variant, target: str, here: str, budget: Budget) -> str:
    """Return why nothing is known of a variant on a target; "" if something is."""
    entry, precision = find_engine(variant), find_precision(variant)
    if precision.files.made == "quantized" and target not in budget.targets:
        if TARGETS.load(target).saturates:
            return "its 8-bit weights saturate the 16-bit sums of this processor's products"
        return "not made for it"
    if target == here:
        return ""
    family = TARGETS.load(target).family
    if family not in entry.measured_on.get(precision.name, (family,)):
        return f"{entry.title}'s {precision.name} was not measured on it"
    if precision.made == "rounded":
        return f"{precision.name} was measured on another kind of processor only"
    return ""


def _find_delay(variant: Variant, ratios: Mapping[str, float]) -> str:
    """Return why a variant is not worth running on this machine; "" if it is."""
    exact = exact_name(variant)
    if ratios[variant.name] <= ratios[exact]:
        return ""
    return (
        f"slower than float: {ratios[variant.name] / ratios[exact]:.2f} times the latency of "
        f"{exact}"
    )
