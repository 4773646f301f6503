"""64-bit Arm: Raspberry Pi and the like."""

from collections.abc import Sequence

from edgecat.runtime.target import Target


def _advise(features: Sequence[str]) -> str:
    # Source: benchmarks/int8/INT8.md, times and instructions of INT8 by those of fp32.
    if "asimddp" in features:
        return "favours INT8: a third of the instructions"
    return "favours INT8: less than half of the instructions"


ENTRY = Target(
    matches=lambda machine, features: machine.lower() in ("aarch64", "arm64"),
    priority=2,
    advice=_advise,
    family="aarch64",
)
