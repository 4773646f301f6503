"""The steps of the search: ways to make an INT8 model, from cheap to dear.

Each cures what the one before it suffers from. What each is worth stands in
benchmarks/int8/INT8.md, from benchmarks/results/*/export_cats.json.
"""

import dataclasses
from collections.abc import Mapping, Sequence

SEARCHES = ("quick", "full")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One way to make an INT8 model.

    Attributes:
        title: What it does beyond the step before.
        num_float_stages: How far the first, float part goes: see
            `edgecat.quantize.rescale.float_nodes`.
        cuts_ranges: Whether a tensor's range may cut rare large values off, so that the frequent
            ones are rounded more finely.
        mends_biases: Whether biases take up what rounding adds to each channel's mean.
        distils: Whether the weights are trained to answer as the float graph does: minutes, where
            the others take seconds.
    """

    title: str
    num_float_stages: int
    cuts_ranges: bool = True
    mends_biases: bool = True
    distils: bool = False


# The stem's output is what breaks INT8 of this network: one of its channels is 1,000 times larger
# than another. The cure is to leave the depthwise convolution that reads it in float: for ONNX
# Runtime with the stem before it, for OpenVINO with all depthwise ones. Distillation comes before
# more float: it costs minutes once, float costs time at every answer.
_FOR_ONNXRUNTIME = (
    Recipe("min-max ranges", 1, cuts_ranges=False, mends_biases=False),
    Recipe("ranges that cut outliers", 1, mends_biases=False),
    Recipe("mended biases", 1),
    Recipe("stem in float", 2),
    Recipe("distillation", 2, distils=True),
    Recipe("four stages in float", 4),
    Recipe("four stages in float, distillation", 4, distils=True),
)
_FOR_OPENVINO = (
    Recipe("min-max ranges", 0, cuts_ranges=False, mends_biases=False),
    Recipe("ranges that cut outliers", 0, mends_biases=False),
    Recipe("mended biases", 0),
    Recipe("distillation", 0, distils=True),
)

RECIPES: Mapping[str, Sequence[Recipe]] = {
    "onnxruntime-int8": _FOR_ONNXRUNTIME,
    "openvino-int8": _FOR_OPENVINO,
}


def choose_recipes(variant: str, search: str) -> tuple[Recipe, ...]:
    """Return the recipes to try, in order.

    Args:
        variant: The name of an INT8 variant.
        search: One of `SEARCHES`: "quick" leaves distillation out.
    """
    return tuple(recipe for recipe in RECIPES[variant] if search == "full" or not recipe.distils)
