"""Is a variant worth running, and where?"""

from collections.abc import Mapping

from edgecat.bench.clock import median_ratio
from edgecat.bench.latency import measure_latencies_ms
from edgecat.bundle.manifest import TARGETS, Variant, Verdict
from edgecat.machine.cpu import detect_target
from edgecat.quantize.search import Budget
from edgecat.runtime.engines.base import Engine
from edgecat.scores.compare import AccuracyChange

_REFERENCE = "onnxruntime-fp32"
_NUM_ROUNDS, _NUM_WARMUP = 100, 20

_NOT_MEASURED_ON_ARM = "OpenVINO's INT8 was not measured on Arm"


def measure_ratios(engines: Mapping[str, Engine]) -> dict[str, float]:
    """Return each variant's latency by that of "onnxruntime-fp32".

    Args:
        engines: By variant, open with one thread; the reference among them.
    """
    times = measure_latencies_ms(engines, _NUM_ROUNDS, _NUM_WARMUP)
    return {name: median_ratio(times[name], times[_REFERENCE]) for name in engines}


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
    own_float = ratios[f"{variant.engine}-fp32"]
    reasons: dict[str, str] = {}
    for target in TARGETS:
        if change is not None and not budget.holds(change):
            reasons[target] = (
                f"over budget: it loses {change.drop_pp:.1f} pp on {change.num_images} validation "
                f"photos, allowed are {budget.max_drop_pp:g}"
            )
        elif variant.precision == "int8" and target not in budget.targets:
            reasons[target] = (
                "not made for it"
                if target != "x86-avx2"
                else "its 8-bit weights saturate the 16-bit sums of processors without VNNI"
            )
        elif variant.name == "openvino-int8" and target == "arm":
            reasons[target] = _NOT_MEASURED_ON_ARM
        elif variant.precision == "bf16" and target != here:
            reasons[target] = "bf16 was measured on another kind of processor only"
        elif target == here and variant.precision != "fp32" and ratios[variant.name] > own_float:
            reasons[target] = (
                f"slower than float: {ratios[variant.name] / own_float:.2f} times the latency of "
                f"{variant.engine}-fp32"
            )
    return Verdict(
        ships_to=tuple(target for target in TARGETS if target not in reasons),
        reasons=reasons,
        measured_on=here,
        latency_ratio=ratios[variant.name],
    )
