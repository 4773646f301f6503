"""What a model computes in, and what that means for whoever proves it."""

import dataclasses
import math
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Precision:
    """What a model computes in.

    Attributes:
        name: Letters, then how many bits a weight has: "int8". The second half of a variant's name.
        made: "exact": of the float graph, and proven to answer as the checkpoint; "rounded": files
            of another precision, computed in fewer bits where the processor can; "quantized": files
            of its own, searched for and measured.
        logit_tolerance: Largest accepted difference of a logit between the machine that exported
            and the device.
        largest: The largest number that it holds.
        rounds: The precision whose files a rounded one computes; None for all others.
    """

    name: str
    made: Literal["exact", "rounded", "quantized"]
    logit_tolerance: float
    largest: float = math.inf
    rounds: "Precision | None" = None

    @property
    def files(self) -> "Precision":
        """Return the precision whose files it computes, its own or another's."""
        return self.rounds or self


# Tolerances: fp32 sums in another order: 1e-5 seen; 1e-3 is what parity accepts. INT8 kernels of
# x86 and Arm round in their own ways: 0.32 seen on photos, but 1.1 where a processor without VNNI
# lets sums overflow. bf16 was not seen on two processors: its 8 bits are taken to differ as INT8's.
# fp16 is mostly imitated where it is exported: 0.07 seen between that and an emulated processor.
# Source: benchmarks/results/*/int8_cpus.json, logit_gap_to_this_machine; ncnn_pis.json.
FP32 = Precision("fp32", "exact", 1e-3)
FP16 = Precision("fp16", "rounded", 0.25, largest=65_504, rounds=FP32)  # Source: IEEE 754
BF16 = Precision("bf16", "rounded", 0.5, rounds=FP32)
INT8 = Precision("int8", "quantized", 0.5)
# Integers where an INT8 model has them, and bf16 instead of fp32 between them.
INT8_BF16 = Precision("int8bf16", "rounded", 0.5, rounds=INT8)
