"""Names and metadata: every node gets a unique name, torch's notes to itself go.

Quantizers find nodes by name and silently pass over those without one. The exporter's notes hold
the file paths of the machine that exported, which are nobody's business, and half a megabyte.
"""

from edgecat.graph.graph import Graph
from edgecat.graph.graph_pass import GraphPass


def apply(graph: Graph) -> int:
    """Name nodes after what they are, biases after their layer; return how many nodes."""
    proto = graph.proto
    for tensor in proto.initializer:
        del tensor.metadata_props[:]
        if tensor.name.endswith(".weight_bias"):  # a folded BatchNorm's
            _rename(graph, tensor.name, tensor.name.removesuffix(".weight_bias") + ".bias")
    del proto.metadata_props[:]
    for value in (*proto.input, *proto.output):
        del value.metadata_props[:]
    for number, node in enumerate(proto.node):
        weights = [name for name in node.input if graph.is_weight(name)]
        layer = weights[0].removesuffix(".weight") if weights else ""
        node.name = layer if layer.startswith("network.") else f"{node.op_type}_{number}"
        node.doc_string = ""
        del node.metadata_props[:]
    proto.name = "edgecat"
    graph.refresh()
    return len(proto.node)


def _rename(graph: Graph, old: str, new: str) -> None:
    for node in graph.proto.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new
    for tensor in graph.proto.initializer:
        if tensor.name == old:
            tensor.name = new


ENTRY = GraphPass(50, "names, metadata", apply)
