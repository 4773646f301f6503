"""The few questions that a graph pass asks of an ONNX graph."""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper


class Graph:
    """An ONNX graph with its weights, producers and consumers by name.

    Attributes:
        proto: The graph itself; passes change it through the methods below.
    """

    def __init__(self, proto: onnx.GraphProto) -> None:
        """Index a graph."""
        self.proto = proto
        self.refresh()

    def refresh(self) -> None:
        """Index the graph again after nodes came or went."""
        self._weights = {tensor.name: tensor for tensor in self.proto.initializer}
        self._producer = {name: node for node in self.proto.node for name in node.output}
        self._consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.proto.node:
            for name in node.input:
                self._consumers[name].append(node)

    def nodes(self, *kinds: str) -> list[onnx.NodeProto]:
        """Return the nodes of these kinds, in order; without kinds, all."""
        return [node for node in self.proto.node if not kinds or node.op_type in kinds]

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Return the node that computes a tensor; None for inputs and weights."""
        return self._producer.get(name)

    def only_consumer(self, name: str) -> onnx.NodeProto | None:
        """Return the node that reads a tensor, if there is exactly one."""
        consumers = self._consumers[name]
        is_output = any(output.name == name for output in self.proto.output)
        return consumers[0] if len(consumers) == 1 and not is_output else None

    def is_weight(self, name: str) -> bool:
        """Return whether this is a constant stored in the graph."""
        return name in self._weights

    def weight(self, name: str) -> npt.NDArray[Any]:
        """Return a stored constant."""
        weight: npt.NDArray[Any] = numpy_helper.to_array(self._weights[name])
        return weight

    def set_weight(self, name: str, value: npt.NDArray[np.float32]) -> None:
        """Replace a stored constant, or store a new one."""
        tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
        if name in self._weights:
            self._weights[name].CopyFrom(tensor)
        else:
            self.proto.initializer.append(tensor)
            self._weights[name] = self.proto.initializer[-1]

    def bypass(self, node: onnx.NodeProto) -> None:
        """Remove a node of one output: who read it reads the node's first input instead."""
        for reader in self._consumers[node.output[0]]:
            for i, name in enumerate(reader.input):
                if name == node.output[0]:
                    reader.input[i] = node.input[0]
        self.proto.node.remove(node)
        self.refresh()

    def drop_unused(self) -> None:
        """Remove nodes and weights that no output depends on."""
        needed = {output.name for output in self.proto.output}
        for node in reversed(list(self.proto.node)):
            if needed.intersection(node.output):
                needed.update(node.input)
            else:
                self.proto.node.remove(node)
        for tensor in list(self.proto.initializer):
            if tensor.name not in needed:
                self.proto.initializer.remove(tensor)
        self.refresh()


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """Return a node's attribute, or `default`."""
    for item in node.attribute:
        if item.name == name:
            return helper.get_attribute_value(item)
    return default


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    """Replace a node's attribute."""
    for item in list(node.attribute):
        if item.name == name:
            node.attribute.remove(item)
    node.attribute.append(helper.make_attribute(name, value))


def is_pointwise(graph: Graph, node: onnx.NodeProto) -> bool:
    """Return whether this is a 1x1 convolution of all channels, with a bias and without padding."""
    return (
        node.op_type == "Conv"
        and len(node.input) == 3
        and attribute(node, "group", 1) == 1
        and graph.weight(node.input[1]).shape[2:] == (1, 1)
        and not any(attribute(node, "pads", [0]))
    )
