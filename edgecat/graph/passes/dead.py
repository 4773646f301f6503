"""Channels that are the same for every photo -> a constant in the next layer's bias.

Pretrained MobileNetV3 has channels whose weights training drove to nothing (1e-16), while their
bias lives on: 20 depthwise channels of the small network and most units of some squeeze layers.
Such a channel is act(bias) everywhere, so the 1x1 convolution behind it can add its share once,
to its bias. Exact, and later a blessing: an INT8 scale for weights of 1e-16 is absurd.

Channels go in multiples of 8 only; what is left over is emptied (weights and bias 0) but stays.
ONNX Runtime computes channels in blocks of 8 or 16: 72 -> 67 channels made the network 1.15 times
slower when this was written.
"""

import numpy as np
import numpy.typing as npt
import onnx

from edgecat.graph.graph import Graph, attribute, is_pointwise, set_attribute
from edgecat.graph.graph_pass import GraphPass

# Folded weights below this are nothing. Live rows of fine-tuned networks have at least 1e-3
# somewhere, dead ones 1e-7 at most; what is lost stays below 1e-4 in the logits, which the check
# after each pass demands.
_DEAD = 1e-6

BLOCK = 8


def apply(graph: Graph) -> int:
    """Remove dead channels; return how many."""
    return sum(_prune(graph, conv) for conv in graph.nodes("Conv"))


def _prune(graph: Graph, conv: onnx.NodeProto) -> int:
    """Remove the dead channels that `conv` computes, if all that reads them allows it."""
    if len(conv.input) < 3:  # the exporter leaves out a bias of zeros
        return 0
    weights = graph.weight(conv.input[1])
    is_dead = np.abs(weights).reshape(len(weights), -1).max(axis=1) < _DEAD
    follower = _follow_activation(graph, conv)
    if not is_dead.any() or follower is None or not is_pointwise(graph, follower[1]):
        return 0
    activation, reader = follower
    producer = None
    if attribute(conv, "group", 1) > 1:
        producer = _producer_of_depthwise(graph, conv)
        if producer is None:
            return 0
    layers = [layer for layer in (producer, conv, reader) if layer is not None]
    if any(graph.only_consumer(name) is None for layer in layers for name in layer.input[1:3]):
        return 0  # another layer reads the same constants
    constants = _ACTIVATIONS[activation](graph.weight(conv.input[2])[is_dead])
    taken = graph.weight(reader.input[1])[:, is_dead, 0, 0] @ constants
    graph.set_weight(reader.input[2], (graph.weight(reader.input[2]) + taken).astype(np.float32))
    for layer in filter(None, (producer, conv)):
        for name in layer.input[1:3]:
            emptied = graph.weight(name).copy()
            emptied[is_dead] = 0
            graph.set_weight(name, emptied)

    num_removable = min(is_dead.sum(), len(is_dead) - 1) // BLOCK * BLOCK
    kept = np.sort(np.argsort(is_dead, kind="stable")[: len(is_dead) - num_removable])
    graph.set_weight(
        reader.input[1], (graph.weight(reader.input[1]) * ~is_dead[:, None, None])[:, kept]
    )
    for layer in filter(None, (producer, conv)):
        for name in layer.input[1:3]:
            graph.set_weight(name, graph.weight(name)[kept])
    if producer is not None:
        set_attribute(conv, "group", len(kept))
    return int(is_dead.sum())


def _hard_swish(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return x * np.clip(x / 6 + 0.5, 0, 1)


_ACTIVATIONS = {
    "": lambda x: x,
    "Relu": lambda x: np.maximum(x, 0),
    "HardSwish": _hard_swish,
}


def _follow_activation(graph: Graph, conv: onnx.NodeProto) -> tuple[str, onnx.NodeProto] | None:
    """Return the activation behind a convolution ("" for none) and the one node behind that."""
    reader = graph.only_consumer(conv.output[0])
    if reader is None or reader.op_type not in ("Relu", "HardSwish"):
        return ("", reader) if reader is not None else None
    behind = graph.only_consumer(reader.output[0])
    return (reader.op_type, behind) if behind is not None else None


def _producer_of_depthwise(graph: Graph, conv: onnx.NodeProto) -> onnx.NodeProto | None:
    """Return the convolution whose channels only this depthwise one reads."""
    node = graph.producer(conv.input[0])
    if node is not None and node.op_type in ("Relu", "HardSwish"):
        node = graph.producer(node.input[0])
    if node is None or node.op_type != "Conv" or len(node.input) < 3:
        return None
    if attribute(node, "group", 1) > 1:  # each channel goes with one of its own producer
        return None
    follower = _follow_activation(graph, node)
    depthwise = len(graph.weight(conv.input[1])) == attribute(conv, "group")
    return node if depthwise and follower is not None and follower[1] is conv else None


ENTRY = GraphPass(30, "dead channels -> bias", apply)
