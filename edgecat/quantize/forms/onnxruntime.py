"""INT8 in the form that ONNX Runtime fuses: integers everywhere but in the first layers.

Activations are uint8 with one scale per tensor, weights int8 with one step per output channel
(stored as integers), biases int32. See `edgecat.quantize.grids` for hard-swish and hard-sigmoid,
`edgecat.quantize.qdq` for how the graph is written.
"""

from collections.abc import Mapping

import numpy as np
import onnx

from edgecat.errors import QuantizeError
from edgecat.quantize.form import Form
from edgecat.quantize.grids import (
    HARD_SIGMOID,
    Grid,
    make_grid,
    round_layer,
    span_hard_swish_input,
    span_range,
)
from edgecat.quantize.placement import Parts, Placement
from edgecat.quantize.prepare import ACTIVATIONS, WEIGHTED
from edgecat.quantize.qdq import QdqGraph
from edgecat.quantize.ranges import Histogram

# The first convolution reads pixels as they are: it stays float.
_MIN_FLOAT_STAGES = 1

_INTEGER_OPS = (*WEIGHTED, *ACTIVATIONS, "Reshape", "Mul", "Add", "GlobalAveragePool")


def tensors_to_measure(parts: Parts) -> list[str]:
    """Return the tensors whose range decides a scale.

    Raises:
        QuantizeError: An op that is not known, or an activation that no grid of the layer
            before it can compute.
    """
    _check_nodes(parts)
    names = [parts.float_nodes[-1].output[0]]
    for node in parts.int_nodes:
        output = node.output[0]
        if parts.is_output(output) or node.op_type in ("Reshape", "HardSigmoid"):
            continue
        reader = parts.only_reader(output)
        if reader is None or reader.op_type not in ("Relu", "HardSigmoid"):
            names.append(output)
    return names


def place(parts: Parts, histograms: Mapping[str, Histogram], *, cuts: bool) -> dict[str, Grid]:
    """Return the grid of every tensor that becomes uint8.

    Args:
        parts: The float graph.
        histograms: Of `tensors_to_measure`.
        cuts: Whether a range may cut rare large values off; else it holds all that was seen.
    """
    grids: dict[str, Grid] = {}
    for name in tensors_to_measure(parts):
        histogram, reader = histograms[name], parts.only_reader(name)
        if reader is not None and reader.op_type == "HardSwish":
            high = histogram.best_range(floor=-3.0)[1] if cuts else histogram.full_range()[1]
            grids[name] = span_hard_swish_input(high)
        else:
            grids[name] = span_range(*(histogram.best_range() if cuts else histogram.full_range()))
    for node in parts.int_nodes:
        if node.op_type == "HardSigmoid":
            grids[node.output[0]] = HARD_SIGMOID
    return grids


def write(parts: Parts, placement: Placement) -> list[bytes]:
    """Return the INT8 model, as one ONNX file with the input and output of the float one.

    Args:
        parts: The float graph.
        placement: Where to round.
    """
    return [_Writer(parts, placement).write().build(parts.model).SerializeToString()]


def _check_nodes(parts: Parts) -> None:
    if not parts.float_nodes:
        raise QuantizeError(
            f"num_float_stages=0: for ONNX Runtime at least {_MIN_FLOAT_STAGES} is needed"
        )
    layers = {node.output[0] for node in parts.layers()}
    for node in parts.int_nodes:
        if node.op_type not in _INTEGER_OPS:
            raise QuantizeError(
                f"node {node.name!r} is a {node.op_type}; known are {', '.join(_INTEGER_OPS)}"
            )
        source = node.input[0]
        is_alone = source in layers and parts.only_reader(source) is not None
        if node.op_type in ACTIVATIONS and not is_alone:
            raise QuantizeError(
                f"node {node.name!r} does not stand alone behind a convolution; only a "
                "graph as `edgecat export` makes it can be quantized"
            )


class _Writer:
    """Writes the integer graph, node by node."""

    def __init__(self, parts: Parts, placement: Placement) -> None:
        self._parts = parts
        self._grids = placement.grids
        self._weight_limit = placement.weight_limit
        self._graph = QdqGraph()

    def write(self) -> QdqGraph:
        """Return the integer graph."""
        for node in self._parts.float_nodes:
            self._keep(node)
        self._centre_pixels()
        border = self._parts.float_nodes[-1].output[0]
        self._graph.quantize(border, self._grids[border])
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
        for node in self._parts.int_nodes:
            write_op[node.op_type](node)
        return self._graph

    def _keep(self, node: onnx.NodeProto) -> None:
        for name in node.input:
            if name in self._parts.weights:
                self._graph.store(name, self._parts.weights[name])
        self._graph.add(node, node.input, node.output[0])

    def _centre_pixels(self) -> None:
        """Take the mean off the pixels in one step: `DequantizeLinear` with it as zero point.

        Cast and Sub would each go over 150,000 floats. Zero points are whole numbers; what they
        leave of the mean goes into the bias of the first convolution. In its padding alone, where
        there is no pixel to take it from, that is too much: by less than half a grey level.
        """
        cast, subtract = (self._graph.find(op) for op in ("Cast", "Sub"))
        (stem,) = (node for node in self._graph.nodes if subtract.output[0] in node.input)
        mean = self._graph.constants.pop(subtract.input[1]).reshape(-1)
        weight, bias = (self._graph.constants[name] for name in stem.input[1:])
        zeros = np.rint(mean).astype(np.uint8)
        self._graph.store(stem.input[2], bias + weight.sum(axis=(2, 3)) @ (zeros - mean))
        scales = self._graph.store("pixels", np.ones(len(mean), np.float32))
        inputs = [cast.input[0], scales, self._graph.store("pixelz", zeros)]
        self._graph.replace([cast, subtract], "DequantizeLinear", inputs, axis=1)

    def _leave_out(self, node: onnx.NodeProto) -> None:
        """Write nothing: the layer before has a grid that saturates where this activation does."""

    def _write_layer(self, node: onnx.NodeProto) -> None:
        """Write a Conv or Gemm; the last one's output stays float."""
        source, output = node.input[0], node.output[0]
        weight, bias = (self._parts.weights[name] for name in node.input[1:])
        bias = bias.astype(np.float64)
        activation = self._parts.only_reader(output)
        kind = activation.op_type if activation is not None else ""
        if activation is not None and kind == "HardSigmoid":
            slope = {item.name: item.f for item in activation.attribute}
            alpha, beta = slope.get("alpha", 0.2), slope.get("beta", 0.5)
            weight, bias = weight * np.float32(alpha), bias * alpha + beta
        input_scale = float(self._graph.grid(source).scale)
        layer = round_layer(weight, bias, input_scale, self._weight_limit)
        self._graph.add_layer(node, source, layer, output)
        if self._parts.is_output(output):
            return
        if activation is not None and kind in ("HardSigmoid", "Relu"):
            activated = activation.output[0]
            self._graph.quantize(output, self._grids[activated], into=activated)
        else:
            self._graph.quantize(output, self._grids[output])

    def _write_hard_swish(self, node: onnx.NodeProto) -> None:
        """Write x * min(q, 2 * zero) * scale / 6, see `edgecat.quantize.grids`."""
        source, output = node.input[0], node.output[0]
        grid = self._graph.grid(source)
        gate = f"{output}g"
        low = self._graph.store("z0", np.array(0, np.uint8))
        top = 2 * int(grid.zero)
        high = self._graph.store(f"z{top}", np.array(top, np.uint8))
        clip = onnx.NodeProto(name=f"{node.name}.gate")
        self._graph.add(clip, [f"{source}q", low, high], f"{gate}q", op="Clip")
        self._graph.store_grid(gate, make_grid(grid.scale / 6, 0))
        factors = [self._graph.dequantize(source), self._graph.dequantize(gate)]
        self._graph.add(node, factors, output, op="Mul")
        self._graph.quantize(output, self._grids[output])

    def _write_plain(self, node: onnx.NodeProto) -> None:
        """Write an op without constants between dequantized inputs and a quantized output."""
        output = node.output[0]
        self._graph.add(node, [self._graph.dequantize(name) for name in node.input], output)
        self._graph.quantize(output, self._grids[output])

    def _write_reshape(self, node: onnx.NodeProto) -> None:
        """Reshape the integers themselves."""
        source, shape = node.input
        output = node.output[0]
        self._graph.store(shape, self._parts.weights[shape])
        self._graph.add(node, [f"{source}q", shape], f"{output}q")
        self._graph.store_grid(output, self._graph.grid(source))
        if self._parts.is_output(output):
            self._graph.dequantize(output, into=output)


ENTRY = Form(_MIN_FLOAT_STAGES, tensors_to_measure, place, write)
