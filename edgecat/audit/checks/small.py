"""Which photos are smaller than what the model takes?"""

from edgecat.audit.check import Check, look_at_each
from edgecat.audit.look import Look
from edgecat.photos.input import InputSpec


def describe_small(look: Look, spec: InputSpec) -> str:
    """A photo that is scaled up."""
    side_px = spec.side_px
    if look.shorter_side_px >= side_px:
        return ""
    return f"{look.width_px} x {look.height_px} pixels; the model takes {side_px}"


ENTRY = Check(
    100, "tiny photos", "the model gets them scaled up",
    look_at_each(describe_small, worst=lambda look: look.shorter_side_px),
)  # fmt: skip
