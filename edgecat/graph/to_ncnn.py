"""ONNX -> ncnn, in float32: a layer for each operator, activations joined to the layer before.

`pnnx`, ncnn's own converter, makes models of the same speed. But it is a program of 88 MB, it reads
the graph only once its uint8 front is cut off, and what it writes would have to be understood all
the same, layer by layer, before a stranger's may be loaded (`edgecat.bundle.ncnn_file`).
"""

import dataclasses
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import onnx

from edgecat.bundle.ncnn_file import ACTIVATIONS, IMAGE, Layer, check_files, write_param
from edgecat.errors import UnsupportedGraphError
from edgecat.graph.graph import Graph, attribute

Weights = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Step:
    """A layer and its numbers.

    Attributes:
        layer: The blobs that it reads and computes, by the names of ONNX's tensors.
        weights: float32, its first axis the channels that it computes; None for most kinds.
        biases: float32 `[C]`; the same.
    """

    layer: Layer
    weights: Weights | None = None
    biases: Weights | None = None

    def to_bytes(self) -> bytes:
        """Return the numbers as the file has them: a tag of zeros says that weights are plain."""
        weights = b"" if self.weights is None else bytes(4) + _to_bytes(self.weights)
        return weights + (b"" if self.biases is None else _to_bytes(self.biases))


def export_ncnn(model: onnx.ModelProto) -> tuple[bytes, bytes]:
    """Return a float model as ncnn reads it: its layers as text, and their numbers.

    Args:
        model: As `optimize_graph` returns it.

    Raises:
        UnsupportedGraphError: It has an operator that is not written for ncnn.
    """
    translation = _Translation(model.graph)
    steps = join_activations(translation.steps, translation.ends)
    layers = connect([step.layer for step in steps], translation.ends)
    param, numbers = write_param(layers), b"".join(step.to_bytes() for step in steps)
    try:
        check_files(param, numbers)
    except ValueError as error:
        raise UnsupportedGraphError(f"the graph cannot be written for ncnn: {error}") from error
    return param, numbers


class _Translation:
    """A graph, operator by operator.

    Attributes:
        steps: What became of it.
        ends: The blobs that are answers, and the names of these.
    """

    def __init__(self, proto: onnx.GraphProto) -> None:
        """Translate all operators.

        Raises:
            UnsupportedGraphError: One is not written for ncnn.
        """
        self._graph = Graph(proto)
        # ONNX's name -> the blob: some operators only change how a tensor is laid out.
        self._blobs = {proto.input[0].name: IMAGE}
        self._vectors: set[str] = set()
        side_px = proto.input[0].type.tensor_type.shape.dim[1].dim_value
        self.steps = [Step(Layer("Input", (), (IMAGE,), {"side": side_px, "channels": 3}))]
        for node in proto.node:
            if node.op_type in ("Transpose", "Cast", "Reshape", "Flatten"):
                self._lay_out(node)
            else:
                self._append(_STEPS.get(node.op_type, _refuse)(self, node))
        self.ends: dict[str, list[str]] = defaultdict(list)
        for value in proto.output:
            self.ends[self._blob(value.name)].append(value.name)

    def _lay_out(self, node: onnx.NodeProto) -> None:
        """Pass a tensor on: ncnn's image is one float plane a channel, and a vector is flat."""
        blob = self._blob(node.input[0])
        if blob not in (IMAGE, *self._vectors):
            _refuse(self, node)
        self._blobs[node.output[0]] = blob

    def _append(self, step: Step) -> None:
        self.steps.append(step)
        kind, inputs = step.layer.kind, step.layer.inputs
        if kind == "Pooling" or inputs[0] in self._vectors:
            self._vectors.add(step.layer.outputs[0])

    def _blob(self, name: str) -> str:
        return self._blobs.get(name, name)

    def _layer(self, kind: str, node: onnx.NodeProto, **numbers: int) -> Layer:
        inputs = [self._blob(name) for name in node.input if not self._graph.is_weight(name)]
        inputs.sort(key=self._vectors.__contains__)  # a vector comes second
        return Layer(kind, tuple(inputs), (node.output[0],), numbers)

    def _constant(self, node: onnx.NodeProto, place: int) -> Weights:
        """Return a constant that a node reads.

        Raises:
            UnsupportedGraphError: It reads none there.
        """
        if not self._graph.is_weight(node.input[place]):
            _refuse(self, node)
        return self._graph.weight(node.input[place]).astype(np.float32)

    def _biases(self, node: onnx.NodeProto, num_channels: int) -> Weights:
        has_biases = len(node.input) > 2  # the exporter leaves out those that are all 0
        return self._constant(node, 2) if has_biases else np.zeros(num_channels, np.float32)

    def subtract(self, node: onnx.NodeProto) -> Step:
        """Sub: a constant for each channel."""
        constants = self._constant(node, 1)
        if constants.shape != (1, constants.size, 1, 1):
            _refuse(self, node)
        return Step(self._layer("Bias", node, channels=constants.size), biases=-constants.ravel())

    def convolve(self, node: onnx.NodeProto) -> Step:
        """Conv: windows over all channels, or one for each; over a vector it is a product."""
        weights, group = self._constant(node, 1), attribute(node, "group", 1)
        num_channels = len(weights)
        if self._blob(node.input[0]) in self._vectors:
            return self._multiply(node, weights.reshape(num_channels, -1))
        is_depthwise = group == num_channels and weights.shape[1] == 1
        sizes = [tuple(weights.shape[2:]), attribute(node, "strides", [1, 1])]
        sizes += [attribute(node, "pads", [0] * 4), attribute(node, "dilations", [1, 1])]
        is_square = all(len(set(size)) == 1 for size in sizes) and sizes[-1][0] == 1
        is_told = attribute(node, "auto_pad", b"NOTSET") == b"NOTSET"
        if not (is_square and is_told and (group == 1 or is_depthwise)):
            _refuse(self, node)
        kernel, stride, padding = (int(size[0]) for size in sizes[:3])
        layer = self._layer(
            "Convolution" if group == 1 else "ConvolutionDepthWise", node, channels=num_channels,
            weights=weights.size, kernel=kernel, stride=stride, padding=padding,
        )  # fmt: skip
        return Step(layer, weights, self._biases(node, num_channels))

    def multiply(self, node: onnx.NodeProto) -> Step:
        """Gemm: a vector by a matrix of weights."""
        weights = self._constant(node, 1)
        wanted = {"alpha": 1.0, "beta": 1.0, "transA": 0}
        if any(attribute(node, name, value) != value for name, value in wanted.items()):
            _refuse(self, node)
        return self._multiply(node, weights if attribute(node, "transB", 0) else weights.T)

    def _multiply(self, node: onnx.NodeProto, weights: Weights) -> Step:
        layer = self._layer("InnerProduct", node, channels=len(weights), weights=weights.size)
        return Step(layer, weights, self._biases(node, len(weights)))

    def join(self, node: onnx.NodeProto) -> Step:
        """Add, Mul: two blobs, or a number for each channel of the first."""
        operation = {"Add": 0, "Mul": 2}[node.op_type]
        return Step(self._layer("BinaryOp", node, operation=operation))

    def average(self, node: onnx.NodeProto) -> Step:
        """GlobalAveragePool: a number for each channel."""
        return Step(self._layer("Pooling", node))

    def activate(self, node: onnx.NodeProto) -> Step:
        """Relu, HardSwish, HardSigmoid."""
        slopes = (attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5))  # ONNX's defaults
        if node.op_type == "HardSigmoid" and not np.allclose(slopes, (1 / 6, 1 / 2)):
            _refuse(self, node)
        return Step(self._layer({"Relu": "ReLU"}.get(node.op_type, node.op_type), node))


def _refuse(translation: _Translation, node: onnx.NodeProto) -> NoReturn:
    raise UnsupportedGraphError(
        f"{node.op_type} ({node.name}), as it is here, is none of the operators that edgecat "
        "writes for ncnn"
    )


_STEPS: dict[str, Callable[[_Translation, onnx.NodeProto], Step]] = {
    "Sub": _Translation.subtract,
    "Conv": _Translation.convolve,
    "Gemm": _Translation.multiply,
    "Add": _Translation.join,
    "Mul": _Translation.join,
    "GlobalAveragePool": _Translation.average,
    "Relu": _Translation.activate,
    "HardSwish": _Translation.activate,
    "HardSigmoid": _Translation.activate,
}


def join_activations(steps: Sequence[Step], ends: Collection[str]) -> list[Step]:
    """Return steps in which a layer of weights applies the activation that alone reads it.

    Args:
        steps: In order.
        ends: Blobs that are answers, so that somebody else reads them, too.
    """
    readers = Counter([*ends, *(name for step in steps for name in step.layer.inputs)])
    joined: list[Step] = []
    for step in steps:
        layer = step.layer
        before = joined[-1] if joined else step
        reads_it_alone = layer.inputs == before.layer.outputs and readers[layer.inputs[0]] == 1
        if layer.kind in ACTIVATIONS and before.weights is not None and reads_it_alone:
            merged = dataclasses.replace(before.layer, outputs=layer.outputs, activation=layer.kind)
            joined[-1] = dataclasses.replace(before, layer=merged)
        else:
            joined.append(step)
    return joined


def connect(layers: Sequence[Layer], ends: Mapping[str, Sequence[str]]) -> list[Layer]:
    """Return layers each of whose blobs has one reader, with a Split where there were more.

    Args:
        layers: In order.
        ends: Blobs that are answers -> the names of those.
    """
    new_names = map(str, itertools.count())
    read_as = defaultdict(list, {blob: list(names) for blob, names in ends.items()})
    inputs = []
    for layer in layers:
        names = [IMAGE if blob == IMAGE else next(new_names) for blob in layer.inputs]
        for blob, name in zip(layer.inputs, names, strict=True):
            read_as[blob].append(name)
        inputs.append(tuple(names))
    connected = []
    for layer, given in zip(layers, inputs, strict=True):
        names = read_as[layer.outputs[0]]
        output = names[0] if len(names) == 1 else next(new_names)
        connected.append(dataclasses.replace(layer, inputs=given, outputs=(output,)))
        if len(names) > 1:
            connected.append(Layer("Split", (output,), tuple(names)))
    return connected


def _to_bytes(numbers: Weights) -> bytes:
    return np.ascontiguousarray(numbers, "<f4").tobytes()
