"""INT8 for ONNX Runtime: integers everywhere but in the first layers.

Activations are uint8 with one scale per tensor, weights int8 with one step per output channel
(stored as integers), biases int32. See `edgecat.quantize.grids` for hard-swish and hard-sigmoid,
`edgecat.quantize.qdq` for how the graph is written.
"""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from edgecat.errors import QuantizeError
from edgecat.pixels import Pixels
from edgecat.quantize.bias import correct_biases
from edgecat.quantize.grids import (
    HARD_SIGMOID,
    Grid,
    round_layer,
    span_hard_swish_input,
    span_range,
)
from edgecat.quantize.prepare import WEIGHTED, own_constants, shorten_names
from edgecat.quantize.qdq import QdqGraph
from edgecat.quantize.ranges import Histogram, check_images, measure_histograms
from edgecat.quantize.rescale import float_nodes, is_depthwise, rescale_channels

_ACTIVATIONS = ("Relu", "HardSigmoid", "HardSwish")
_INTEGER_OPS = (*WEIGHTED, *_ACTIVATIONS, "Reshape", "Mul", "Add", "GlobalAveragePool")

#: Photos for the bias correction. Source: measured, 128 gave the same logit error as 64.
NUM_BIAS_IMAGES = 64


def quantize_for_onnxruntime(
    model: onnx.ModelProto,
    calibration: Pixels,
    *,
    num_float_halvings: int = 2,
    weight_limit: int = 127,
) -> onnx.ModelProto:
    """Return an INT8 version of a MobileNetV3 for ONNX Runtime.

    Args:
        model: The optimized float model: uint8 `[N, 224, 224, 3]` RGB in, float32 logits out;
            BatchNorm folded, hard-swish as one op, squeeze as `GlobalAveragePool`.
        calibration: uint8 `[N, 224, 224, 3]`, RGB: photos like those the model will see, 256 are
            enough.
        num_float_halvings: How far the float part goes, 1 to 5: see `float_nodes`.
        weight_limit: Largest |weight| as an integer, 1 to 127: 127, or 63 for processors without
            VNNI, whose 16-bit sums of two products would saturate.

    Returns:
        A new model with the same input and output.

    Raises:
        QuantizeError: The model is not one that `edgecat export` makes, or an argument is out of
            its range.
    """
    if num_float_halvings < 1:
        raise QuantizeError(
            f"num_float_halvings={num_float_halvings}: for ONNX Runtime at least 1 is needed"
        )
    if not 1 <= weight_limit <= 127:
        raise QuantizeError(f"weight_limit={weight_limit}: accepted is 1 to 127")
    check_images(model, calibration)
    named = shorten_names(own_constants(model))
    num_float_nodes = len(float_nodes(named.graph, num_float_halvings))
    rescaled = rescale_channels(named, calibration)
    plan = _Plan(rescaled.graph, num_float_nodes)
    plan.check_nodes()
    histograms = measure_histograms(rescaled, plan.tensors_to_measure(), calibration)
    written = _Writer(plan, histograms, weight_limit).write().build(rescaled)
    every = max(1, len(calibration) // NUM_BIAS_IMAGES)
    return correct_biases(written, rescaled, calibration[::every][:NUM_BIAS_IMAGES])


class _Plan:
    """Which nodes become integer ops, and which tensors they need a range of.

    Attributes:
        weights: The float model's constants by name.
        float_nodes: The first nodes, which stay float.
        int_nodes: All others.
        border: The tensor that goes from the former to the latter.
    """

    def __init__(self, graph: onnx.GraphProto, num_float_nodes: int) -> None:
        nodes = list(graph.node)
        self.weights = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self.float_nodes, self.int_nodes = nodes[:num_float_nodes], nodes[num_float_nodes:]
        self.border = self.float_nodes[-1].output[0]
        self._outputs = {item.name for item in graph.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    def is_output(self, tensor: str) -> bool:
        """Tell whether the model answers with a tensor."""
        return tensor in self._outputs

    def only_reader(self, tensor: str) -> onnx.NodeProto | None:
        """Return the node that reads a tensor, where there is only one."""
        readers = self._readers.get(tensor, [])
        return readers[0] if len(readers) == 1 else None

    def check_nodes(self) -> None:
        """Refuse nodes that cannot become integer ops.

        Raises:
            QuantizeError: An op that MobileNetV3 has not, or an activation that no grid of the
                layer before it can compute.
        """
        layers = {node.output[0] for node in self.int_nodes if node.op_type in WEIGHTED}
        for node in self.int_nodes:
            if node.op_type not in _INTEGER_OPS:
                raise QuantizeError(
                    f"node {node.name!r} is a {node.op_type}; known are {', '.join(_INTEGER_OPS)}"
                )
            source = node.input[0]
            is_alone = source in layers and self.only_reader(source) is not None
            if node.op_type in _ACTIVATIONS and not is_alone:
                raise QuantizeError(
                    f"node {node.name!r} does not stand alone behind a convolution; only a "
                    "MobileNetV3 as `edgecat export` makes it can be quantized"
                )

    def tensors_to_measure(self) -> dict[str, npt.NDArray[np.float64] | None]:
        """Return the tensors whose range decides a scale.

        Returns:
            For each, what an error in each of its channels weighs: float64 `[C]`, or None: equal.
        """
        names = [self.border]
        for node in self.int_nodes:
            output = node.output[0]
            if self.is_output(output) or node.op_type in ("Reshape", "HardSigmoid"):
                continue
            reader = self.only_reader(output)
            if reader is None or reader.op_type not in ("Relu", "HardSigmoid"):
                names.append(output)
        return {name: self._channel_weights(name) for name in names}

    def _channel_weights(self, tensor: str) -> npt.NDArray[np.float64] | None:
        """Return the squared weights that each channel meets in the next convolutions."""
        total = None
        for node in self._readers.get(tensor, []):
            if node.op_type == "Conv":
                squares = np.square(self.weights[node.input[1]], dtype=np.float64)
                found = squares.sum(axis=(1, 2, 3) if is_depthwise(node) else (0, 2, 3))
            elif node.op_type in ("Relu", "HardSwish", "Mul"):
                found = self._channel_weights(node.output[0])
            else:
                continue
            total = found if total is None or found is None else total + found
        return total


class _Writer:
    """Writes the integer graph, node by node."""

    def __init__(self, plan: _Plan, histograms: dict[str, Histogram], weight_limit: int) -> None:
        self._plan = plan
        self._histograms = histograms
        self._weight_limit = weight_limit
        self._graph = QdqGraph()

    def write(self) -> QdqGraph:
        """Return the integer graph."""
        for node in self._plan.float_nodes:
            self._keep(node)
        self._graph.quantize(self._plan.border, self._measured(self._plan.border))
        write_op = {
            "Conv": self._write_layer,
            "Gemm": self._write_layer,
            "HardSwish": self._write_hard_swish,
            "HardSigmoid": self._leave_out,
            "Relu": self._leave_out,
            "Reshape": self._write_reshape,
            "Mul": self._write_plain,
            "Add": self._write_plain,
            "GlobalAveragePool": self._write_plain,
        }
        for node in self._plan.int_nodes:
            write_op[node.op_type](node)
        return self._graph

    def _keep(self, node: onnx.NodeProto) -> None:
        for name in node.input:
            if name in self._plan.weights:
                self._graph.store(name, self._plan.weights[name])
        self._graph.add(node, node.input, node.output[0])

    def _leave_out(self, node: onnx.NodeProto) -> None:
        """Write nothing: the layer before has a grid that saturates where this activation does."""

    def _write_layer(self, node: onnx.NodeProto) -> None:
        """Write a Conv or Gemm; the last one's output stays float."""
        source, output = node.input[0], node.output[0]
        weight, bias = (self._plan.weights[name] for name in node.input[1:])
        bias = bias.astype(np.float64)
        activation = self._plan.only_reader(output)
        kind = activation.op_type if activation is not None else ""
        if activation is not None and kind == "HardSigmoid":
            slope = {item.name: item.f for item in activation.attribute}
            alpha, beta = slope.get("alpha", 0.2), slope.get("beta", 0.5)
            weight, bias = weight * np.float32(alpha), bias * alpha + beta
        input_grid = self._graph.grid(source)
        layer = round_layer(weight, bias, input_grid.scale, self._weight_limit)
        self._graph.add_layer(node, source, layer, output)
        if self._plan.is_output(output):
            return
        if activation is not None and kind in ("HardSigmoid", "Relu"):
            activated = activation.output[0]
            grid = HARD_SIGMOID if kind == "HardSigmoid" else self._measured(activated)
            self._graph.quantize(output, grid, into=activated)
        elif kind == "HardSwish":
            _, high = self._histograms[output].best_range(floor=-3.0)
            self._graph.quantize(output, span_hard_swish_input(high))
        else:
            self._graph.quantize(output, self._measured(output))

    def _write_hard_swish(self, node: onnx.NodeProto) -> None:
        """Write x * min(q, 2 * zero) * scale / 6, see `edgecat.quantize.grids`."""
        source, output = node.input[0], node.output[0]
        grid = self._graph.grid(source)
        gate = f"{output}g"
        low = self._graph.store("z0", np.array(0, np.uint8))
        high = self._graph.store(f"z{2 * grid.zero}", np.array(2 * grid.zero, np.uint8))
        clip = onnx.NodeProto(name=f"{node.name}.gate")
        self._graph.add(clip, [f"{source}q", low, high], f"{gate}q", op="Clip")
        self._graph.store_grid(gate, Grid(grid.scale / 6, 0))
        factors = [self._graph.dequantize(source), self._graph.dequantize(gate)]
        self._graph.add(node, factors, output, op="Mul")
        self._graph.quantize(output, self._measured(output))

    def _write_plain(self, node: onnx.NodeProto) -> None:
        """Write an op without constants between dequantized inputs and a quantized output."""
        output = node.output[0]
        self._graph.add(node, [self._graph.dequantize(name) for name in node.input], output)
        self._graph.quantize(output, self._measured(output))

    def _write_reshape(self, node: onnx.NodeProto) -> None:
        """Reshape the integers themselves."""
        source, shape = node.input
        output = node.output[0]
        self._graph.store(shape, self._plan.weights[shape])
        self._graph.add(node, [f"{source}q", shape], f"{output}q")
        self._graph.store_grid(output, self._graph.grid(source))

    def _measured(self, tensor: str) -> Grid:
        return span_range(*self._histograms[tensor].best_range())
