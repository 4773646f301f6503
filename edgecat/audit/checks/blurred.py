"""Which photos have no fine detail at the size that the model gets?"""

from edgecat.audit.check import Check, look_at_each
from edgecat.audit.look import Look
from edgecat.photos.input import InputSpec

# Source: benchmarks/results/*/audit_looks.json.
_MIN_SHARPNESS_RATIO = 0.006


def describe_blurred(look: Look, spec: InputSpec) -> str:
    """A photo that is out of focus, shaken, or was scaled up."""
    if look.sharpness_ratio >= _MIN_SHARPNESS_RATIO or look.bright_luma < 1:
        return ""
    share = look.sharpness_ratio / _MIN_SHARPNESS_RATIO
    return f"{100 * share:.0f} % of the fine detail that a photo should have"


ENTRY = Check(
    120, "blurred photos", "out of focus, shaken or scaled up",
    look_at_each(describe_blurred, worst=lambda look: look.sharpness_ratio),
)  # fmt: skip
