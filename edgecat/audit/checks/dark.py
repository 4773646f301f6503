"""Which photos are nearly black?"""

from edgecat.audit.check import Check, look_at_each
from edgecat.audit.look import Look
from edgecat.photos.input import InputSpec

# A quarter of 0-255. Source of what it finds: benchmarks/results/*/audit_looks.json.
_MIN_BRIGHT_LUMA = 64


def describe_dark(look: Look, spec: InputSpec) -> str:
    """A photo without a bright place."""
    if look.bright_luma >= _MIN_BRIGHT_LUMA:
        return ""
    return f"95 % of it is darker than {look.bright_luma:.0f} of 255"


ENTRY = Check(
    130, "dark photos", "nearly black",
    look_at_each(describe_dark, worst=lambda look: look.bright_luma),
)  # fmt: skip
