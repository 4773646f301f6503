"""Write the int8 graph that ONNX Runtime runs fast: integers everywhere but in the first layers.

Activations are uint8 with one scale per tensor, weights int8 with one scale per output channel (stored as integers), biases
int32. Every float op stands between `DequantizeLinear` and `QuantizeLinear` (QDQ), which ONNX Runtime's optimiser fuses
into one integer op. Two things have no integer op there and are rewritten so that they need none:

* hard-sigmoid behind a convolution: `x/6 + 1/2` goes into the convolution, and a uint8 output with scale 1/255 and
  zero point 0 saturates at 0 and 1 by itself;
* hard-swish, `x * min(max(x + 3, 0), 6) / 6`: with x stored as `q = x/s + z`, s = 3/z, from -3 upwards (below, hard-swish is
  0), `x + 3` is just `s * q`, so the second factor is `min(q, 2z)` with scale s/6: one integer minimum, one integer product.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgecat.pixels import Pixels
from edgecat.quantize.bias import correct_biases
from edgecat.quantize.ranges import Histogram, measure_histograms
from edgecat.quantize.rescale import float_nodes, is_depthwise, rescale_channels

#: Largest |bias| as int32. Source: 2^31 less the largest sum of 255 * 127 products over 33,000 weights, half of it.
BIAS_LIMIT = 2**30

#: Photos for the bias correction. Source: measured, 128 gave the same logit error as 64.
NUM_BIAS_IMAGES = 64


def quantize_for_onnxruntime(
    model: onnx.ModelProto,
    calibration: Pixels,
    *,
    num_float_halvings: int = 2,
    weight_limit: int = 127,
) -> onnx.ModelProto:
    """Return an int8 version of a MobileNetV3 for ONNX Runtime.

    Args:
        model: The float model: input uint8 `[N, 224, 224, 3]` RGB, output float32 logits; BatchNorm folded, hard-swish
            as one op, squeeze as `GlobalAveragePool`.
        calibration: uint8 `[N, 224, 224, 3]`, RGB, 0-255: photos like those the model will see, 256 are enough.
        num_float_halvings: How far the float part goes, 1 to 5: see `float_nodes`.
        weight_limit: Largest |weight| as an integer: 127, or 63 for processors without VNNI, whose 16-bit
            sums of two products would saturate.

    Returns:
        A new model with the same input and output.
    """
    model = rescale_channels(own_constants(model), calibration)
    writer = _Writer(model, num_float_halvings, weight_limit)
    writer.histograms = measure_histograms(model, writer.tensors_to_measure(), calibration)
    every = max(1, len(calibration) // NUM_BIAS_IMAGES)
    return correct_biases(writer.write(), model, calibration[::every][:NUM_BIAS_IMAGES], BIAS_LIMIT)


def own_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return an equal model in which each Conv and Gemm has a weight and a bias that no other node reads.

    Exporters merge equal constants and leave out biases of zeros.

    Raises:
        ValueError: Two nodes share a name, or a Gemm's weight is not `[outputs, inputs]`.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    if len({node.name for node in model.graph.node}) < len(model.graph.node):
        raise ValueError("nodes share a name or have none; name every node before quantizing")
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm"):
            continue
        if node.op_type == "Gemm" and not any(
            item.name == "transB" and item.i == 1 for item in node.attribute
        ):
            raise ValueError(
                f"Gemm {node.name!r} needs transB=1: a weight of shape [outputs, inputs]"
            )
        weight = constants[node.input[1]]
        bias = (
            constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight), np.float32)
        )
        node.input[1:] = [f"{node.name}/weight", f"{node.name}/bias"]
        for name, values in zip(node.input[1:], (weight, bias), strict=True):
            model.graph.initializer.append(numpy_helper.from_array(values, name))
    used = {name for node in model.graph.node for name in node.input}
    kept = [item for item in model.graph.initializer if item.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


class _Writer:
    """Builds the int8 graph node by node, in the order of the float graph.

    Attributes:
        weights: The float model's constants by name.
        histograms: Of the float tensors that become uint8.
        grids: (scale, zero point) of each tensor that has a uint8 version "<name>/q" so far.
    """

    def __init__(self, model: onnx.ModelProto, num_float_halvings: int, weight_limit: int) -> None:
        self.model = model
        self.weight_limit = weight_limit
        self.weights = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.outputs = {item.name for item in model.graph.output}
        self.float_nodes = float_nodes(model.graph, num_float_halvings)
        self.int_nodes = list(model.graph.node)[len(self.float_nodes) :]
        self.stem = self.float_nodes[-1].output[0]
        self.histograms: dict[str, Histogram] = {}
        self.grids: dict[str, tuple[float, int]] = {}
        self.new_nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def tensors_to_measure(self) -> dict[str, np.ndarray | None]:
        """Return the float tensors whose range decides a scale, each with what an error in each channel weighs."""
        names = [self.stem]
        for node in self.int_nodes:
            output = node.output[0]
            if output in self.outputs or node.op_type in ("Reshape", "HardSigmoid"):
                continue
            if self._only_reader(output) not in ("Relu", "HardSigmoid"):
                names.append(output)
        return {name: self._channel_weights(name) for name in names}

    def _channel_weights(self, tensor: str) -> np.ndarray | None:
        """Return the squared weights that each channel of a tensor meets in the next convolutions, None for none."""
        total = None
        for node in self.readers.get(tensor, []):
            if node.op_type == "Conv":
                squares = np.square(self.weights[node.input[1]], dtype=np.float64)
                found = squares.sum(axis=(1, 2, 3) if is_depthwise(node) else (0, 2, 3))
            elif node.op_type in ("Relu", "HardSwish", "Mul"):
                found = self._channel_weights(node.output[0])
            else:
                continue
            total = found if total is None or found is None else total + found
        return total

    def write(self) -> onnx.ModelProto:
        """Return the int8 model.

        Raises:
            ValueError: The graph has an op that MobileNetV3 has not.
        """
        for node in self.float_nodes:
            self._keep(node)
        self._quantize(self.stem, *self._grid(self.stem))
        write_op = {
            "Conv": self._write_weighted,
            "Gemm": self._write_weighted,
            "HardSwish": self._write_hard_swish,
            "HardSigmoid": self._skip,
            "Relu": self._skip,
            "Reshape": self._write_reshape,
            "Mul": self._write_plain,
            "Add": self._write_plain,
            "GlobalAveragePool": self._write_plain,
        }
        for node in self.int_nodes:
            if node.op_type not in write_op:
                raise ValueError(
                    f"node {node.name!r} is a {node.op_type}; known: {', '.join(write_op)}"
                )
            write_op[node.op_type](node)
        graph = helper.make_graph(
            self.new_nodes,
            self.model.graph.name,
            self.model.graph.input,
            self.model.graph.output,
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        result = helper.make_model(
            graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version
        )
        onnx.checker.check_model(result, full_check=True)
        return result

    def _keep(self, node: onnx.NodeProto) -> None:
        """Copy a float node as it is."""
        self.new_nodes.append(node)
        self.constants.update(
            {name: self.weights[name] for name in node.input if name in self.weights}
        )

    def _skip(self, node: onnx.NodeProto) -> None:
        """Write nothing: the uint8 grid of the layer before saturates where this activation does."""
        quantize = self.new_nodes[-1]
        quantize.output[0] = f"{node.output[0]}/q"
        self._store_grid(node.output[0], *self.grids[node.input[0]])

    def _write_weighted(self, node: onnx.NodeProto) -> None:
        """Write a Conv or Gemm with integer weights; its last layer keeps float outputs."""
        source, weight_name, bias_name = node.input
        output = node.output[0]
        weight, bias = self.weights[weight_name], self.weights[bias_name].astype(np.float64)
        reader = self._only_reader(output)
        if reader == "HardSigmoid":
            gate = {item.name: item.f for item in self.readers[output][0].attribute}
            alpha, beta = gate.get("alpha", 0.2), gate.get("beta", 0.5)
            weight, bias = weight * np.float32(alpha), bias * alpha + beta
        scale, _ = self.grids[source]
        rows = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
        # A dead channel has no weights but may have a bias: its scale is the one at which the bias fits.
        steps = np.maximum(rows / self.weight_limit, np.abs(bias) / (scale * BIAS_LIMIT))
        steps = np.maximum(steps, 1e-12).astype(np.float32)
        column = steps.reshape(-1, *[1] * (weight.ndim - 1))
        whole = np.clip(np.rint(weight / column), -self.weight_limit, self.weight_limit).astype(
            np.int8
        )
        whole_bias = np.rint(bias / (steps.astype(np.float64) * scale))
        whole_bias = np.clip(whole_bias, -BIAS_LIMIT, BIAS_LIMIT).astype(np.int32)

        self.constants[weight_name] = whole
        self.constants[bias_name] = whole_bias
        bias_steps = (steps * np.float32(scale)).astype(np.float32)
        inputs = [
            self._dequantized(source),
            self._dequantized_constant(weight_name, steps, np.zeros(len(steps), np.int8)),
            self._dequantized_constant(bias_name, bias_steps, np.zeros(len(steps), np.int32)),
        ]
        copy = helper.make_node(node.op_type, inputs, [output], name=node.name)
        copy.attribute.extend(node.attribute)
        self.new_nodes.append(copy)
        if output in self.outputs:
            return
        if reader == "HardSigmoid":
            self._quantize(output, 1 / 255, 0)
        elif reader == "HardSwish":
            _, high = self.histograms[output].best_range(floor=-3.0)
            zero = int(np.clip(np.floor(3 * 255 / (high + 3)), 1, 127))
            self._quantize(output, 3 / zero, zero)
        elif reader == "Relu":
            self._quantize(output, *self._grid(self.readers[output][0].output[0]))
        else:
            self._quantize(output, *self._grid(output))

    def _write_hard_swish(self, node: onnx.NodeProto) -> None:
        """Write x * min(q, 2z) * s/6, see the module's docstring."""
        source, output = node.input[0], node.output[0]
        scale, zero = self.grids[source]
        gate = f"{output}/gate"
        for name, value in ((f"{gate}_low", 0), (f"{gate}_high", 2 * zero)):
            self.constants[name] = np.array(value, np.uint8)
        self.new_nodes.append(
            helper.make_node(
                "Clip", [f"{source}/q", f"{gate}_low", f"{gate}_high"], [f"{gate}/q"], name=gate
            )
        )
        self._store_grid(gate, scale / 6, 0)
        factors = [self._dequantized(source), self._dequantized(gate)]
        self.new_nodes.append(helper.make_node("Mul", factors, [output], name=node.name))
        self._quantize(output, *self._grid(output))

    def _write_plain(self, node: onnx.NodeProto) -> None:
        """Write an op without constants between dequantized inputs and a quantized output."""
        inputs = [self._dequantized(name) for name in node.input]
        self.new_nodes.append(
            helper.make_node(node.op_type, inputs, [node.output[0]], name=node.name)
        )
        self._quantize(node.output[0], *self._grid(node.output[0]))

    def _write_reshape(self, node: onnx.NodeProto) -> None:
        """Reshape the integers themselves."""
        source, shape = node.input
        output = node.output[0]
        self.constants[shape] = self.weights[shape]
        copy = helper.make_node("Reshape", [f"{source}/q", shape], [f"{output}/q"], name=node.name)
        copy.attribute.extend(node.attribute)
        self.new_nodes.append(copy)
        self._store_grid(output, *self.grids[source])

    def _only_reader(self, tensor: str) -> str | None:
        """Return the op that reads a tensor, where there is only one."""
        readers = self.readers.get(tensor, [])
        return readers[0].op_type if len(readers) == 1 else None

    def _grid(self, tensor: str) -> tuple[float, int]:
        """Return scale and zero point (0-255) for a measured tensor; 0.0 is on the grid exactly."""
        low, high = self.histograms[tensor].best_range()
        scale = max((high - low) / 255, 1e-8)
        return scale, int(np.rint(-low / scale))

    def _store_grid(self, tensor: str, scale: float, zero: int) -> None:
        self.grids[tensor] = (float(np.float32(scale)), zero)
        self.constants[f"{tensor}/scale"] = np.array(scale, np.float32)
        self.constants[f"{tensor}/zero"] = np.array(zero, np.uint8)

    def _quantize(self, tensor: str, scale: float, zero: int) -> None:
        """Make "<tensor>/q" from the float tensor."""
        self._store_grid(tensor, scale, zero)
        inputs = [tensor, f"{tensor}/scale", f"{tensor}/zero"]
        self.new_nodes.append(
            helper.make_node("QuantizeLinear", inputs, [f"{tensor}/q"], name=f"{tensor}/quantize")
        )

    def _dequantized(self, tensor: str) -> str:
        """Return the name of the float view of "<tensor>/q", made on first use."""
        view = f"{tensor}/float"
        if not any(view in node.output for node in self.new_nodes):
            inputs = [f"{tensor}/q", f"{tensor}/scale", f"{tensor}/zero"]
            self.new_nodes.append(
                helper.make_node("DequantizeLinear", inputs, [view], name=f"{tensor}/dequantize")
            )
        return view

    def _dequantized_constant(self, name: str, scale: np.ndarray, zero: np.ndarray) -> str:
        """Return the float view of an integer constant with one scale per output channel (axis 0)."""
        self.constants[f"{name}/scale"], self.constants[f"{name}/zero"] = scale, zero
        inputs = [name, f"{name}/scale", f"{name}/zero"]
        view = f"{name}/float"
        self.new_nodes.append(
            helper.make_node("DequantizeLinear", inputs, [view], name=f"{name}/dequantize", axis=0)
        )
        return view
