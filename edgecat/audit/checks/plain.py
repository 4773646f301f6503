"""Which are hardly photos: screenshots, documents, drawings, blank walls?"""

from edgecat.audit.check import Check, look_at_each
from edgecat.audit.look import Look
from edgecat.photos.input import InputSpec

# Source of what it finds: benchmarks/results/*/audit_looks.json.
_MAX_TOP_COLOUR_RATIO = 0.65


def describe_plain(look: Look, spec: InputSpec) -> str:
    """A picture most of which has one colour."""
    if look.top_colour_ratio <= _MAX_TOP_COLOUR_RATIO:
        return ""
    return f"{100 * look.top_colour_ratio:.0f} % of it has one colour"


ENTRY = Check(
    140, "screenshot-like pictures", "most of it has one colour: a page, a drawing, a wall",
    look_at_each(describe_plain, worst=lambda look: -look.top_colour_ratio),
)  # fmt: skip
