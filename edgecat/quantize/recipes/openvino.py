"""What to try for OpenVINO, whose form leaves all depthwise convolutions in float as it is."""

from edgecat.quantize.recipe import Recipe

ENTRY = (
    Recipe("min-max ranges", 0, cuts_ranges=False, mends_biases=False),
    Recipe("ranges that cut outliers", 0, mends_biases=False),
    Recipe("mended biases", 0),
    Recipe("distillation", 0, distils=True),
)
