"""The end of an ONNX graph, read and added to without the onnx package, which no device has.

Of two `graph` fields in one file protobuf makes one, with the outputs of both: so an output is
added by some bytes at the end, and nothing that was proven is written anew.

Source: onnx/onnx.proto for the fields; protobuf.dev/programming-guides/encoding, "Last One Wins",
for how messages are merged.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from edgecat.bundle.protobuf import BYTES, read_fields, write_field

# Of a model its graph; of that nodes, weights and outputs; of a node inputs, outputs and kind; of
# a tensor its axes, type, name and bytes; of an output its name and type, a tensor's of a kind.
_GRAPH = 7
_NODE, _INITIALIZER, _OUTPUT = 1, 5, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND = 1, 2, 4
_DIMS, _DATA_TYPE, _TENSOR_NAME, _RAW_DATA = 1, 2, 8, 9
_VALUE_NAME, _VALUE_TYPE, _TENSOR_TYPE = 1, 2, 1
_ELEMENT_TYPE, _SHAPE, _AXIS = 1, 2, 1

#: What float32 is called in ONNX.
_FLOAT = 1

# Kinds of nodes that give what they read in another form.
_SAME = ("Reshape", "Flatten", "Squeeze", "QuantizeLinear", "DequantizeLinear", "Identity")
_MEAN = "GlobalAveragePool"


@dataclasses.dataclass(frozen=True)
class Node:
    """An operator.

    Attributes:
        kind: As ONNX calls it: "Gemm".
        inputs: Names of what it reads, weights among them.
        outputs: Names of what it computes.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class OnnxGraph:
    """What a graph computes, and with which numbers.

    Attributes:
        nodes: In the order in which they are computed.
        weights: The float32 constants by name.
    """

    nodes: tuple[Node, ...]
    weights: Mapping[str, npt.NDArray[np.float32]]


def read_graph(model: bytes) -> OnnxGraph:
    """Read the nodes and the float32 weights of a model.

    Args:
        model: An ONNX file that holds all of its numbers.

    Raises:
        ValueError: The bytes are not of the form of ONNX.
    """
    nodes: list[Node] = []
    weights: dict[str, npt.NDArray[np.float32]] = {}
    for field, start, end in _messages(model, 0, len(model)):
        if field != _GRAPH:
            continue
        for part, part_start, part_end in _messages(model, start, end):
            if part == _NODE:
                nodes.append(_read_node(model, part_start, part_end))
            elif part == _INITIALIZER:
                weights |= _read_weight(model, part_start, part_end)
    return OnnxGraph(tuple(nodes), weights)


def find_mean(graph: OnnxGraph, name: str) -> str:
    """Return the map, `[N, C, h, w]`, whose mean over height and width a tensor is.

    Args:
        graph: Any.
        name: The tensor: `[N, C]`, in whatever form.

    Raises:
        ValueError: It is no such mean.
    """
    for node in reversed(graph.nodes):
        if name not in node.outputs:
            continue
        if node.kind not in (*_SAME, _MEAN) or not node.inputs:
            raise ValueError(f"{name!r} is the result of a {node.kind}, and no mean of a map")
        name = node.inputs[0]
        if node.kind == _MEAN:
            return name
    raise ValueError(f"{name!r} is computed by no node")


def add_output(model: bytes, name: str) -> bytes:
    """Return a model that also tells a map which it computes on its way.

    Args:
        model: An ONNX file.
        name: The map's: float32 of four axes, of whatever lengths.
    """
    shape = write_field(_AXIS, b"") * 4
    tensor = write_field(_ELEMENT_TYPE, _FLOAT) + write_field(_SHAPE, shape)
    kind = write_field(_TENSOR_TYPE, tensor)
    value = write_field(_VALUE_NAME, name) + write_field(_VALUE_TYPE, kind)
    return model + write_field(_GRAPH, write_field(_OUTPUT, value))


def _messages(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each field that holds bytes."""
    for field, kind, value, value_end in read_fields(data, start, end):
        if kind == BYTES:
            yield field, value, value_end


def _read_node(model: bytes, start: int, end: int) -> Node:
    words: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_KIND: []}
    for field, word_start, word_end in _messages(model, start, end):
        if field in words:
            words[field].append(model[word_start:word_end].decode())
    return Node("".join(words[_NODE_KIND]), tuple(words[_NODE_INPUT]), tuple(words[_NODE_OUTPUT]))


def _read_weight(model: bytes, start: int, end: int) -> dict[str, npt.NDArray[np.float32]]:
    """Return a weight by its name; nothing of one that is not float32 in plain bytes."""
    shape: list[int] = []
    data_type, name, raw = 0, "", b""
    for field, _, value, value_end in read_fields(model, start, end):
        if field == _DIMS:
            shape.append(value)
        elif field == _DATA_TYPE:
            data_type = value
        elif field == _TENSOR_NAME:
            name = model[value:value_end].decode()
        elif field == _RAW_DATA:
            raw = model[value:value_end]
    if data_type != _FLOAT or not raw or len(raw) != 4 * math.prod(shape):
        return {}
    return {name: np.frombuffer(raw, "<f4").reshape(shape)}
