"""What to try for ONNX Runtime.

The stem's output is what breaks INT8 of this network: one of its channels is 1,000 times larger
than another. The cure is to leave the depthwise convolution that reads it in float, with the stem
before it. Distillation comes before more float: it costs minutes once, float costs time at every
answer.
"""

from edgecat.quantize.recipe import Recipe

ENTRY = (
    Recipe("min-max ranges", 1, cuts_ranges=False, mends_biases=False),
    Recipe("ranges that cut outliers", 1, mends_biases=False),
    Recipe("mended biases", 1),
    Recipe("stem in float", 2),
    Recipe("distillation", 2, distils=True),
    Recipe("four stages in float", 4),
    Recipe("four stages in float, distillation", 4, distils=True),
)
