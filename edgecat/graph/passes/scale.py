"""(pixels - mean) / std -> conv   becomes   pixels - mean -> conv with weights / std.

A division of 150,528 values less. The subtraction stays: folded into the bias it would be wrong
at the border, where the convolution's padding is 0 after the mean is taken off, not before.
"""

import numpy as np

from edgecat.graph.graph import Graph
from edgecat.graph.graph_pass import GraphPass


def apply(graph: Graph) -> int:
    """Fold each division by a per-channel constant into the convolution behind it."""
    changed = 0
    for node in graph.nodes("Div"):
        conv = graph.only_consumer(node.output[0])
        if conv is None or conv.op_type != "Conv" or not graph.is_weight(node.input[1]):
            continue
        divisor = graph.weight(node.input[1])
        weights = graph.weight(conv.input[1])
        if divisor.shape != (1, weights.shape[1], 1, 1):
            continue
        graph.set_weight(conv.input[1], (weights / divisor).astype(np.float32))
        graph.bypass(node)
        changed += 1
    graph.drop_unused()
    return changed


ENTRY = GraphPass(20, "division by std -> first convolution", apply)
