"""64-bit Arm: Raspberry Pi and the like."""

from collections.abc import Sequence

from edgecat.runtime.target import Target


def _advise(features: Sequence[str]) -> str:
    # Source: benchmarks/int8/INT8.md, times and instructions of INT8 by those of fp32; for fp16
    # benchmarks/results/*/ncnn_pis.json.
    share = "a third" if "asimddp" in features else "less than half"
    int8 = f"INT8: {share} of the instructions"
    if "fphp" in features:
        return f"favours fp16: a sixth of the instructions; then {int8}"
    return f"favours {int8}"


ENTRY = Target(
    matches=lambda machine, features: machine.lower() in ("aarch64", "arm64"),
    priority=2,
    advice=_advise,
    family="aarch64",
)
