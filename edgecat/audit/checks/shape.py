"""Which photos are so long that a part of them is cut off?"""

from edgecat.audit.check import Check, look_at_each
from edgecat.audit.look import Look
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import MAX_ASPECT


def describe_shape(look: Look, spec: InputSpec) -> str:
    """A photo of which not even training sees all."""
    if look.aspect_ratio <= MAX_ASPECT:
        return ""
    return f"{look.width_px} x {look.height_px} pixels, 1:{look.aspect_ratio:.1f}"


ENTRY = Check(
    110, "extreme shapes", f"longer than 1:{MAX_ASPECT}: only the middle is used",
    look_at_each(describe_shape, worst=lambda look: -look.aspect_ratio),
)  # fmt: skip
