"""Constant -> x   becomes   x with a stored weight.

Who asks a graph for the weights of a node looks among those that are stored: torch's older
exporter writes numbers of the code, such as the mean that is taken off, as nodes instead.
"""

from onnx import numpy_helper

from edgecat.graph.graph import Graph, attribute
from edgecat.graph.graph_pass import GraphPass


def apply(graph: Graph) -> int:
    """Store what each Constant node of a tensor holds; return how many."""
    nodes = [node for node in graph.nodes("Constant") if attribute(node, "value") is not None]
    for node in nodes:
        graph.proto.node.remove(node)
        graph.set_weight(node.output[0], numpy_helper.to_array(attribute(node, "value")))
    graph.refresh()
    return len(nodes)


ENTRY = GraphPass(5, "constants -> weights", apply)
